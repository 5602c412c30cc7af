import { until } from "@sallyport/testkit";
import { expect, test } from "vitest";
import { startApi } from "./environment.fixture.ts";

const within = 15_000;

const quick = { claimMs: 300, leaseMs: 2_000, graceMs: 1_000, maxAttempts: 5 };

test("the official worker runs a session's calls, keeps its state between them, and stops when nothing more comes", async () => {
  const api = await startApi();
  await api.startWorker(api.addKey().key);
  expect(await api.call({ command: "X=kept; echo one" })).toEqual({
    is_error: false,
    content: [{ type: "text", text: "one" }],
  });
  expect(await api.call({ command: "echo $X; false" })).toEqual({
    is_error: true,
    content: [{ type: "text", text: "kept" }],
  });
  const [item] = api.environments.list("builds");
  expect(item?.state).toBe("active");
  await until("the stop", () => api.environments.item(item?.id ?? "")?.state === "stopped", { within });
  // Another call is another item of the same session.
  expect(await api.call({ command: "echo again" })).toMatchObject({ content: [{ text: "again" }] });
  expect(new Set(api.environments.list("builds").map(({ data }) => data.id)).size).toBe(1);
  expect(api.errors).toEqual([]);
}, 40_000);

test("a call that nobody waits for any more is given to nobody, and the session goes on", async () => {
  const api = await startApi();
  await api.startWorker(api.addKey().key, { maxIdleMs: 5_000 });
  await api.call({ command: "true" });
  const gone = new AbortController();
  const call = api.call({ command: "sleep 0.3; echo late" }, { signal: gone.signal });
  gone.abort(new Error("the agent has gone"));
  await expect(call).rejects.toThrow("the agent has gone");
  expect(await api.call({ command: "echo next" })).toMatchObject({ content: [{ text: "next" }] });
}, 40_000);

test("a session that ends stops its worker's item", async () => {
  const api = await startApi();
  await api.startWorker(api.addKey().key, { maxIdleMs: 60_000 });
  await api.call({ command: "true" });
  const [item] = api.environments.list("builds");
  api.environments.end("s1");
  await until("the stop", () => api.environments.item(item?.id ?? "")?.state === "stopped", { within });
}, 40_000);

test("a worker that dies is followed by another: the call is answered, once", async () => {
  const api = await startApi({ timing: quick });
  const { key } = api.addKey();
  const first = await api.ask("/v1/environments/builds/work/poll", { key });
  expect(first.body).toBeNull();
  const call = api.call({ command: "echo done" });
  const polled = await api.ask("/v1/environments/builds/work/poll?block_ms=500", { key });
  await api.ask(`/v1/environments/builds/work/${polled.body.id}/ack`, { method: "POST", key });
  // It says no more; the official worker comes.
  await api.startWorker(key);
  expect(await call).toMatchObject({ content: [{ text: "done" }] });
  expect(api.environments.list("builds").map(({ attempts }) => attempts)).toEqual([2]);
}, 40_000);

test("a revoked key is refused at the next poll, and the worker ends", async () => {
  const api = await startApi();
  const { id, key } = api.addKey();
  const worker = await api.startWorker(key);
  await until("a poll", () => api.paths.length > 0, { within });
  api.keys.set(id, undefined);
  expect(String(await worker.ended)).toContain("401");
}, 40_000);
