import { readFile } from "node:fs/promises";
import type { NatsConnection } from "@nats-io/transport-node";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { provisionStreams } from "@sallyport/infra-nats";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask, textOf, toolCall, wires } from "./call.fixture.ts";
import { natsUser } from "./nats.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "audited-secret-80b3";
const kib = 1024;

let stack: Stack;
let upstream: Reflector;
/** One that may write into the audit stream and set its size: no zone may do the latter. */
let filler: NatsConnection;

beforeAll(async () => {
  upstream = await startReflector({ token: secret });
  stack = await startTunnel({ routes: { open: { url: upstream.url, secret } } });
  filler = await natsUser(stack, "filler", {
    pub: { allow: ["$JS.API.STREAM.INFO.AUDIT", "$JS.API.STREAM.UPDATE.AUDIT", "audit.v1.filler.f1"] },
    sub: { allow: ["_INBOX.>"] },
  });
});
afterAll(async () => {
  await filler?.close();
  await stack?.stop();
  await upstream?.close();
});

interface StreamInfo {
  config: { max_bytes: number; discard: string };
  state: { messages: number; bytes: number; first_seq: number };
  error?: { description: string };
}

async function audit(verb: "INFO" | "UPDATE", body?: object): Promise<StreamInfo> {
  const payload = body === undefined ? "" : JSON.stringify(body);
  const answer = await filler.request(`$JS.API.STREAM.${verb}.AUDIT`, payload);
  const info = answer.json<StreamInfo>();
  if (info.error) throw new Error(info.error.description);
  return info;
}

/** Little room is left, and that is used up to the last byte. */
async function fill(): Promise<void> {
  const { config, state } = await audit("INFO");
  await audit("UPDATE", { ...config, max_bytes: state.bytes + 512 * kib });
  const refusals = new Set<string>();
  for (let size = 128 * kib; size >= 1; ) {
    const answer = await filler.request("audit.v1.filler.f1", "x".repeat(size));
    const { error } = answer.json<{ error?: { description: string } }>();
    if (error === undefined) continue;
    refusals.add(error.description);
    size = Math.floor(size / 2);
  }
  expect([...refusals]).toEqual(["maximum bytes exceeded"]);
}

/** How often Vault was asked for the credential. */
async function vaultReads(): Promise<number> {
  const lines = (await readFile(stack.vault.auditFile, "utf8")).split("\n");
  return lines.filter((line) => line.includes('"type":"request"') && line.includes("/data/sallyport/open"))
    .length;
}

it("uses no credential while the audit log is full, drops no record for a call, and works again when it has grown", async () => {
  // One that holds a live lease already, and one for whom it would have to be fetched.
  const known = { server: "open", token: await stack.token("open") };
  const fresh = { server: "open", token: await stack.token("open", { client: "other-agent" }) };
  const recorded = (wire: (typeof wires)[number]) => toolCall(wire, "plain", { text: "recorded" });
  for (const wire of wires) expect(textOf(await ask(stack, known, recorded(wire)))).toBe("recorded");
  const reads = await vaultReads();
  expect(reads).toBeGreaterThan(0);

  await fill();
  const full = await audit("INFO");
  const { requests } = upstream.seen();
  for (const wire of wires) {
    for (const caller of [known, fresh]) {
      const { message } = await ask(stack, caller, recorded(wire));
      expect(message.error).toMatchObject({
        code: -31503,
        data: { sallyport: { code: "unavailable", retryable: true } },
      });
    }
  }
  expect(upstream.seen().requests).toBe(requests);
  expect(await vaultReads()).toBe(reads);
  const { state } = await audit("INFO");
  expect(state).toMatchObject({ first_seq: 1, messages: full.state.messages, bytes: full.state.bytes });

  const grown = await provisionStreams({
    servers: [stack.nats.url],
    creds: await stack.material.provisionerCreds(),
    maxBytes: { log: 256 * kib * kib, bucket: 64 * kib * kib },
  });
  expect(grown.find(({ stream }) => stream === "AUDIT")?.outcome).toBe("grown");
  for (const caller of [known, fresh]) {
    await until(
      "the log taking records",
      async () => textOf(await ask(stack, caller, recorded("2025-11-25"))) === "recorded",
      { within: 10_000 },
    );
  }
  expect(await vaultReads()).toBe(reads + 1);
  expect((await audit("INFO")).state.messages).toBeGreaterThan(full.state.messages);
});
