import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Stack } from "@sallyport/infra-local";
import { provisionVault } from "@sallyport/infra-vault";
import { freePort, type Server, startServer, until } from "@sallyport/testkit";
import { ask, type Post, type Reply, send, toolCall } from "../e2e/call.fixture.ts";
import { startTunnel } from "../e2e/tunnel.fixture.ts";

export interface Chaos {
  stack: Stack;
  /** The private server, a process that can be killed too. */
  upstream: Server;
  token: string;
  /** How often each effect happened. */
  effects(): Map<string, number>;
  call(post: Post): Promise<Reply>;
  /** The next call that needs a lease of its own: a session's first request gets one. */
  callThatLeases(): Promise<Reply>;
  /** A call under the lease that the agent's calls share. */
  callOnLiveLease(): Promise<Reply>;
  startStream(): Promise<Stream>;
  /** Every call goes through again. Nothing is restarted for it. */
  recovers(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts a killed broker again. It held its secret_id in memory only, and the wrapping token opens once: whoever starts
 * a broker hands it a fresh one, as its operator's supervisor does.
 */
export async function restartBroker({ vault, material, postgres, zones }: Stack): Promise<void> {
  const { wrappedSecretId } = await provisionVault({
    address: vault.url,
    token: vault.rootToken,
    ...(postgres ? { postgres } : {}),
  });
  material.write("vault/secret-id.wrapped", await wrappedSecretId());
  await zones.get("broker-broker-1")?.restart();
}

export interface Stream {
  text(): string;
  events(): number;
  /** When it ended. */
  over: Promise<number>;
  close(): void;
}

export async function startChaos(): Promise<Chaos> {
  const folder = await mkdtemp(join(tmpdir(), "chaos-"));
  const port = await freePort();
  const file = join(folder, "effects.txt");
  const url = `http://127.0.0.1:${port}/mcp`;
  const upstream = await startServer({
    name: "ledger",
    command: process.execPath,
    args: [join(import.meta.dirname, "ledger-server.ts"), String(port), file],
    folder,
    temporary: false,
    ready: async () => {
      await (await fetch(url, { method: "POST", body: '{"method":"ping"}' })).text();
      return true;
    },
  });
  const remove = async () => {
    await upstream.stop();
    await rm(folder, { recursive: true, force: true });
  };
  const stack = await startTunnel({ routes: { ledger: { url, secret: "ledger-key-123" } } }).catch(
    async (error: unknown) => {
      await remove();
      throw error;
    },
  );
  const token = await stack.token("ledger");
  const to = { server: "ledger", token };
  const call: Chaos["call"] = (post) => ask(stack, to, post);
  const initialize = {
    headers: {},
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } },
    }),
  };
  const plain = () => call(toolCall("2025-11-25", "plain"));
  const leasing = () => call(initialize);
  await until("a first call", async () => isAnswer(await plain()), { within: 10_000 });
  return {
    stack,
    upstream,
    token,
    effects: () => {
      const counts = new Map<string, number>();
      for (const effect of read(file).split("\n"))
        if (effect !== "") counts.set(effect, (counts.get(effect) ?? 0) + 1);
      return counts;
    },
    call,
    callThatLeases: leasing,
    callOnLiveLease: plain,
    startStream: async () => {
      const stop = new AbortController();
      const response = await send(stack, { ...to, signal: stop.signal }, toolCall("2025-11-25", "stream"));
      let text = "";
      const over = (async () => {
        try {
          for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString();
        } catch {
          // Cut: an end too.
        }
        return performance.now();
      })();
      const events = () => text.split("\n\n").length - 1;
      await until("two events", () => events() >= 2, { within: 5_000 });
      return { text: () => text, events, over, close: () => stop.abort() };
    },
    recovers: async () => {
      const both = async () => isAnswer(await plain()) && isAnswer(await leasing());
      await until("calls going through again", both, { within: 20_000, every: 100 });
    },
    stop: async () => {
      await stack.stop();
      await remove();
    },
  };
}

export const isAnswer = (reply: Reply): boolean => reply.status === 200 && reply.message.result !== undefined;

/** A failure as an agent may get it: of JSON-RPC, said by a zone, with whether to try again. */
export function failureOf(reply: Reply): { code: string; source: string; retryable: boolean } | undefined {
  return reply.message.error?.data?.sallyport as ReturnType<typeof failureOf>;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Milliseconds that something took. */
export async function timed<T>(work: () => Promise<T>): Promise<{ value: T; ms: number }> {
  const started = performance.now();
  const value = await work();
  return { value, ms: performance.now() - started };
}

/** Resident bytes of a process. */
export function memoryOf(pid: number): number {
  return (
    Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) * 1024
  );
}
