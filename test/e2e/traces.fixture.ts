import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Stack } from "@sallyport/infra-local";
import { natsUser } from "./nats.fixture.ts";

/*
 * The places where calls leave a trace: what passes NATS, what the collector stores, what is on disk.
 */

/** Every message from now on, of every subject, as subject, headers and payload. The user may publish to one subject too. */
export async function tapAll(
  stack: Stack,
  { into, mayPublish }: { into: string[]; mayPublish: string },
): Promise<NatsConnection> {
  const tap = await natsUser(stack, "tap", { pub: { allow: [mayPublish] }, sub: { allow: [">"] } });
  tap.subscribe(">", {
    callback: (_error, message) => {
      const headers = message.headers?.keys().map((key) => [key, message.headers?.values(key)]) ?? [];
      into.push(
        `${message.subject} ${JSON.stringify(headers)} ${Buffer.from(message.data).toString("latin1")}`,
      );
    },
  });
  await tap.flush();
  return tap;
}

/** Every row of every table of the collector's store. */
export function rowsOf(stack: Stack): string[] {
  const store = new DatabaseSync(stack.material.path("telemetry.sqlite"), {
    readOnly: true,
    readBigInts: true,
  });
  try {
    const tables = store.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
    return tables.flatMap(({ name }) =>
      store
        .prepare(`SELECT * FROM "${String(name)}"`)
        .all()
        .map((row) =>
          Object.values(row)
            .map((value) =>
              value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : String(value),
            )
            .join(" "),
        ),
    );
  } finally {
    store.close();
  }
}

/** Every file in the stack's folder but what Vault keeps of its own. */
export async function filesOf(stack: Stack): Promise<string[]> {
  const names = await readdir(stack.dir, { recursive: true });
  const kept: string[] = [];
  for (const name of names) {
    if (/^openbao(?:\/|$)/.test(name)) continue;
    const path = join(stack.dir, name);
    if ((await stat(path)).isFile()) kept.push(path);
  }
  return kept;
}
