import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Anthropic from "@anthropic-ai/sdk";
import { startWorkApi, until, type WorkApi, type WorkApiOptions } from "@sallyport/testkit";
import { afterEach, expect, test } from "vitest";
import { textOf } from "./environment.fixture.ts";

/**
 * The server that our worker is tested against was written from the contract: the official worker, which the contract
 * describes, has to be content with it, and it with the official worker.
 */
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function startOfficial(options: WorkApiOptions = {}): Promise<WorkApi> {
  const api = await startWorkApi(options);
  const workdir = await mkdtemp(join(tmpdir(), "official-worker-"));
  const stop = new AbortController();
  const client = new Anthropic({ apiKey: null, authToken: null, baseURL: api.url, logLevel: "off" });
  const worker = client.beta.environments.work.worker({
    environmentId: api.environment,
    environmentKey: api.key,
    workdir,
    maxIdleMs: 200,
  });
  const running = worker.run(stop.signal).catch(() => undefined);
  ends.push(async () => {
    stop.abort();
    await running;
    await api.stop();
    await rm(workdir, { recursive: true, force: true });
  });
  return api;
}

test("the official worker completes a session, and breaks nothing of the contract", async () => {
  const api = await startOfficial();
  const { session, item } = api.addSession();
  await until("a stream", () => session.streams === 1, { within: 10_000 });
  const id = session.toolUse("bash", { command: "echo hello" });
  const result = await until("a result", () => session.answerOf(id), { within: 10_000 });
  expect(textOf(result)).toBe("hello");
  session.idle();
  await until("the stop", () => item.state === "stopped", { within: 10_000 });
  expect(api.violations).toEqual([]);
}, 40_000);

test("it is content with lost answers, cut frames and events that come twice", async () => {
  const api = await startOfficial({ pageSize: 2 });
  api.wire = { cutBytes: 3, times: 2, lineEnd: "\r\n" };
  const { session, item } = api.addSession();
  const first = session.toolUse("bash", { command: "echo one" });
  session.emit("agent.message", { content: [] });
  session.emit("agent.message", { content: [] });
  api.fail("heartbeat", "lose");
  api.fail("history", 503);
  await until("a result", () => session.answerOf(first), { within: 15_000 });
  const held = session.toolUse("bash", { command: "echo two" }, { evaluated_permission: "ask" });
  session.confirm(held, "allow");
  await until("a result", () => session.answerOf(held), { within: 10_000 });
  session.idle();
  await until("the stop", () => item.state === "stopped", { within: 10_000 });
  expect(item.claims).toBe(1);
  expect(api.violations).toEqual([]);
}, 60_000);
