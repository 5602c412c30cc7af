import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { connectBus, openBucket } from "@sallyport/bus";
import { environmentKeys, newEnvironmentKey } from "@sallyport/contracts";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, startWorkApi, until, type WorkApi } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import { connectV1 } from "./clients.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const policy = `
@id("connect") permit(principal, action in Action::"connect", resource);
@id("run") permit(principal, action == Action::"sandbox/exec", resource);
@id("no-rm") @reason("nothing is deleted here")
forbid(principal, action == Action::"sandbox/exec", resource)
when { context.arguments has command && context.arguments.command like "*rm -rf*" };`;
const requirements = { kernel: "shared", network: "none", memoryMiB: 128, pids: 64, cpu: 1, diskMiB: 256 };

let stack: Stack;
let api: WorkApi;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "environment-e2e-"));
  api = await startWorkApi();
  const keyFile = join(folder, "environment.key");
  await writeFile(keyFile, api.key, { mode: 0o600 });
  const environment = {
    environment: api.environment,
    baseUrl: api.url,
    keyFile,
    pool: "box",
    maxIdle: "200ms",
  };
  stack = await startTunnel({
    // The stack has a private server too, which nobody calls here.
    routes: { other: { url: "http://127.0.0.1:9", secret: "never-used-secret" } },
    policy,
    more: {
      sandboxes: { box: { pool: { memory: "128MiB", pids: 64, cpus: 1, disk: "256MiB" }, requirements } },
      workers: { builds: {} },
      environments: [environment],
    },
  });
}, 120_000);
afterAll(async () => {
  await stack?.stop();
  await api?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What `sallyport environment-key create` does. */
async function createKey(): Promise<{ key: string; revoke(): Promise<void> }> {
  const { servers, creds, instance } = stack.operatorNats;
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  const who = { zone: "operator", instance } as const;
  const open = () => connectBus({ servers: [...servers], who, credentials: { creds }, log });
  const { id, key, hash } = newEnvironmentKey();
  const write = async (
    act: (keys: Awaited<ReturnType<typeof openBucket<typeof environmentKeys.value>>>) => Promise<unknown>,
  ) => {
    const bus = await open();
    try {
      await act(await openBucket(bus, environmentKeys));
    } finally {
      await bus.close();
    }
  };
  const entry = { environment: "builds", hash, createdAt: new Date().toISOString() };
  await write((keys) => keys.put(id, entry, { expect: 0 }));
  return { key, revoke: () => write((keys) => keys.delete(id)) };
}

it("an agent's call is gated by the runner and run by the official worker, which an edge serves", async () => {
  const { key, revoke } = await createKey();
  const workdir = await mkdtemp(join(folder, "worker-"));
  const stop = new AbortController();
  const sdk = new Anthropic({ apiKey: null, authToken: null, baseURL: stack.edgeUrl, logLevel: "off" });
  const worker = sdk.beta.environments.work.worker({ environmentId: "builds", environmentKey: key, workdir });
  const running = worker.run(stop.signal).then(
    () => undefined,
    (error: unknown) => error,
  );
  const { client } = await connectV1(stack, { server: "builds", token: await stack.token("builds") });
  const bash = async (command: string) => {
    const result = await client.callTool({ name: "bash", arguments: { command } });
    return JSON.stringify(result.content);
  };
  expect(await bash("X=kept; echo $((6 * 7)) >answer; cat answer")).toContain("42");
  expect(await bash("echo $X; cat answer")).toContain("kept");
  await expect(bash("rm -rf .")).rejects.toThrow(/no-rm.*nothing is deleted here/);
  await client.close();
  await revoke();
  stop.abort();
  await running;
}, 60_000);

it("a revoked key is refused by the edge at the next call", async () => {
  const { key, revoke } = await createKey();
  const poll = () =>
    fetch(`${stack.edgeUrl}/v1/environments/builds/work/poll`, {
      headers: { authorization: `Bearer ${key}` },
    });
  await until("the key in force", async () => (await poll()).status === 200, { within: 10_000 });
  await revoke();
  await until("the key refused", async () => (await poll()).status === 401, { within: 10_000 });
});

it("a runner serves an environment of the work API in a real sandbox, behind its gate", async () => {
  const { session, item } = api.addSession();
  const call = session.toolUse("bash", { command: "id -u; ls -a /workspace; cat /proc/1/comm" });
  const result = await until("a result", () => session.answerOf(call), { within: 30_000 });
  expect([result.is_error, JSON.stringify(result.content)]).toEqual([false, expect.stringContaining("..")]);
  const denied = session.toolUse("bash", { command: "rm -rf /" });
  const refusal = await until("a result", () => session.answerOf(denied), { within: 10_000 });
  expect(JSON.stringify(refusal.content)).toContain("nothing is deleted here");
  session.idle();
  await until("the stop", () => item.state === "stopped", { within: 10_000 });
  expect(api.violations).toEqual([]);
}, 60_000);
