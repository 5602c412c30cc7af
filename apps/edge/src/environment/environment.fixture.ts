import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { newEnvironmentKey } from "@sallyport/contracts";
import type { Timing } from "@sallyport/work";
import { onTestFinished } from "vitest";
import { Environments, type RemoteCall } from "./environments.ts";
import { handleWorkApi } from "./handle-work-api.ts";
import { EnvironmentKeys } from "./keys.ts";

interface ApiOptions {
  timing?: Timing;
  placeWithin?: number;
  keys?: EnvironmentKeys;
}

/** The work API on loopback, until the test is over. */
export async function startApi(options: ApiOptions = {}) {
  const { timing, placeWithin = 20_000, keys = new EnvironmentKeys() } = options;
  const environments = new Environments({
    ...{ tenant: "t", placeWithin, now: Date.now },
    ...(timing ? { timing } : {}),
  });
  const errors: unknown[] = [];
  const paths: string[] = [];
  const hosts = new Set<string>();
  const log = { error: (fields: object) => void errors.push(fields) };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    paths.push(`${request.method} ${request.url}`);
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      void handleWorkApi({ environments, keys, hosts, log }, { request, response, body });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  hosts.add(host);
  const sweep = setInterval(() => environments.sweep(), 50);
  const addKey = (environment = "builds") => {
    const { id, key, hash } = newEnvironmentKey();
    keys.set(id, { environment, hash, createdAt: new Date().toISOString() });
    return { id, key };
  };
  const workers: (() => Promise<void>)[] = [];
  onTestFinished(async () => {
    environments.close();
    await Promise.all(workers.map((end) => end()));
    clearInterval(sweep);
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  });
  const url = `http://${host}`;
  return {
    url,
    environments,
    keys,
    addKey,
    errors,
    paths,
    ask: async (path: string, init: RequestInit & { key?: string; worker?: string } = {}) => {
      const { key, worker, ...rest } = init;
      const headers = new Headers(rest.headers);
      if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
      const answer = await fetch(`${url}${path}`, { ...rest, headers });
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    call: (input: object, more: Partial<RemoteCall> & { signal?: AbortSignal } = {}) => {
      const { signal = new AbortController().signal, ...call } = more;
      const usual = { environment: "builds", session: "s1", tool: "bash", traceparent: undefined };
      return environments.call({ ...usual, ...call, input }, signal);
    },
    /** The official SDK's worker. */
    startWorker: async (key: string, more: { maxIdleMs?: number; environment?: string } = {}) => {
      const workdir = await mkdtemp(join(tmpdir(), "official-worker-"));
      const stop = new AbortController();
      const client = new Anthropic({ apiKey: null, authToken: null, baseURL: url, logLevel: "off" });
      const worker = client.beta.environments.work.worker({
        environmentId: more.environment ?? "builds",
        environmentKey: key,
        workdir,
        maxIdleMs: more.maxIdleMs ?? 300,
      });
      const running = worker.run(stop.signal).then(
        () => undefined,
        (error: unknown) => error,
      );
      const end = async () => {
        stop.abort();
        await running;
        await rm(workdir, { recursive: true, force: true });
      };
      workers.push(end);
      return { ended: running, end };
    },
  };
}

export type Api = Awaited<ReturnType<typeof startApi>>;
