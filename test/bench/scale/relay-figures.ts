import { appendFile } from "node:fs/promises";
import type { Stack } from "@sallyport/infra-local";
import { freePort, until } from "@sallyport/testkit";

/** What a relay has carried and kept so far, as nats-server's own monitoring says. */
export interface RelayFigures {
  /** From clients, and to them. */
  messages: number;
  /** Payloads of these, both ways. */
  bytes: number;
  /** Kept in all streams: the audit log above all. */
  stored: number;
  storedBytes: number;
}

/** Gives the running relay its monitoring port; zones come back by themselves. */
export async function watchRelay(stack: Stack): Promise<() => Promise<RelayFigures>> {
  const port = await freePort();
  await appendFile(stack.material.path("nats/nats-server.conf"), `\nhttp: "127.0.0.1:${port}"\n`);
  await stack.nats.restart();
  await until(
    "every zone on the relay again",
    async () =>
      (await Promise.all([...stack.zones.values()].map((zone) => zone.readiness()))).every(
        (one) => one.ready,
      ),
    { within: 60_000, every: 100 },
  );
  const ask = async (path: string) =>
    (await (await fetch(`http://127.0.0.1:${port}${path}`)).json()) as Record<string, number>;
  return async () => {
    const [server, streams] = await Promise.all([ask("/varz"), ask("/jsz")]);
    return {
      messages: (server.in_msgs ?? 0) + (server.out_msgs ?? 0),
      bytes: (server.in_bytes ?? 0) + (server.out_bytes ?? 0),
      stored: streams.messages ?? 0,
      storedBytes: streams.bytes ?? 0,
    };
  };
}

export function since(before: RelayFigures, after: RelayFigures): RelayFigures {
  return {
    messages: after.messages - before.messages,
    bytes: after.bytes - before.bytes,
    stored: after.stored - before.stored,
    storedBytes: after.storedBytes - before.storedBytes,
  };
}
