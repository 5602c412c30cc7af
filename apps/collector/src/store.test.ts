import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Span } from "@sallyport/contracts";
import { ServiceError } from "@sallyport/contracts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { readTraceHandler } from "./answer.ts";
import { Store, type StoreOptions } from "./store.ts";

let folder: string;
let store: Store;
let time = 0;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "store-"));
  time = 1_000_000;
  store = open();
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true });
});

function open(options: Partial<StoreOptions> = {}): Store {
  const limits = { maxSpans: 1000, maxAgeMs: 60_000, maxBytes: 64 * 1024 ** 2 };
  return new Store({ file: join(folder, "spans.db"), ...limits, now: () => time, ...options });
}

let serial = 0;
function span(more: Partial<Span> = {}): Span {
  serial += 1;
  return {
    traceId: "a".repeat(32),
    spanId: serial.toString(16).padStart(16, "0"),
    zone: "edge",
    instance: "e1",
    name: "tools/call lookup",
    kind: "server",
    start: "1764000000000000001",
    end: "1764000000000000999",
    attributes: { "mcp.method.name": "tools/call" },
    ...more,
  };
}

test("a span comes back as it was, nanoseconds included", () => {
  const parent = span();
  const child = span({
    parentId: parent.spanId,
    error: "late",
    start: "1764000000000000002",
    zone: "connector",
  });
  store.add([child, parent]);
  expect(store.trace("a".repeat(32))).toEqual([parent, child]);
});

test("it is still there after a restart", () => {
  store.add([span()]);
  store.close();
  store = open();
  expect(store.trace("a".repeat(32))).toHaveLength(1);
});

test("the files are for the owner alone, also when the file was there with another mode", () => {
  store.add([span()]);
  const file = join(folder, "loose.db");
  writeFileSync(file, "", { mode: 0o644 });
  const loose = open({ file });
  loose.add([span()]);
  const names = readdirSync(folder);
  expect(names.length).toBeGreaterThan(3);
  for (const name of names) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  loose.close();
});

test("the last trace is that of the call that came in last, whatever time its spans claim", () => {
  store.add([span({ traceId: "b".repeat(32), start: "9000000000000000000", end: "9000000000000000001" })]);
  store.add([span({ traceId: "c".repeat(32) })]);
  store.add([span({ traceId: "d".repeat(32), attributes: { "mcp.method.name": "ping" } })]);
  store.add([span({ traceId: "e".repeat(32), zone: "connector" })]);
  expect(store.trace("last")[0]?.traceId).toBe("c".repeat(32));
});

test("a zone cannot take the place of another zone's span", () => {
  const real = span({ name: "real" });
  store.add([real]);
  store.add([{ ...real, name: "changed" }]);
  store.add([{ ...real, zone: "connector", name: "forged" }]);
  expect(store.trace("a".repeat(32)).map(({ zone, name }) => `${zone} ${name}`)).toEqual([
    "edge real",
    "connector forged",
  ]);
});

test("the oldest spans go when there are too many", () => {
  for (let n = 0; n < 30; n++) store.add(Array.from({ length: 100 }, () => span({ name: `batch ${n}` })));
  store.prune();
  expect(store.size).toBe(1000);
  const names = new Set(store.trace("a".repeat(32)).map(({ name }) => name));
  expect([names.has("batch 0"), names.has("batch 29")]).toEqual([false, true]);
});

test("spans are forgotten after their time", () => {
  store.add([span({ name: "old" })]);
  time += 59_000;
  store.add([span({ name: "new" })]);
  time += 2_000;
  store.prune();
  expect(store.trace("a".repeat(32)).map(({ name }) => name)).toEqual(["new"]);
});

test("a full file loses its oldest spans and takes the new ones", () => {
  const small = open({ file: join(folder, "small.db"), maxBytes: 512 * 1024, maxSpans: 1_000_000 });
  const attributes = { note: "x".repeat(1000) };
  for (let n = 0; n < 40; n++)
    small.add(Array.from({ length: 50 }, () => span({ name: `batch ${n}`, attributes })));
  expect(statSync(join(folder, "small.db")).size).toBeLessThanOrEqual(512 * 1024);
  const names = small.trace("a".repeat(32)).map(({ name }) => name);
  expect(names.includes("batch 0")).toBe(false);
  expect(names.includes("batch 39")).toBe(true);
  const more = Array.from({ length: 600 }, () => span({ attributes }));
  expect(() => small.add(more)).toThrow("no room");
  small.close();
});

test("a span's attributes take at most 8 KiB", () => {
  const attributes = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`key-${n}`, "x".repeat(1024)]));
  store.add([span({ attributes })]);
  const [kept] = store.trace("a".repeat(32));
  expect(JSON.stringify(kept?.attributes).length).toBeLessThanOrEqual(8192);
});

test("an answer holds the spans of a trace, or says that it is not there", async () => {
  const answer = readTraceHandler({ store });
  const context = { params: {}, signal: new AbortController().signal };
  await expect(answer({ trace: "last" }, context)).rejects.toThrow("no call has been traced yet");
  store.add([span()]);
  expect((await answer({ trace: "last" }, context)).spans).toHaveLength(1);
  await expect(answer({ trace: "f".repeat(32) }, context)).rejects.toThrow(ServiceError);
});

test("an answer is cut to what one message holds, the first spans first", async () => {
  const attributes = { note: "x".repeat(7000) };
  const all = Array.from({ length: 200 }, (_, n) => span({ attributes, start: String(1000 + n) }));
  store.add(all.toReversed());
  const context = { params: {}, signal: new AbortController().signal };
  const { spans } = await readTraceHandler({ store })({ trace: "a".repeat(32) }, context);
  expect(JSON.stringify(spans).length).toBeLessThan(1024 * 1024 - 4096);
  expect(spans.length).toBeGreaterThan(50);
  expect(spans.map(({ spanId }) => spanId)).toEqual(all.slice(0, spans.length).map(({ spanId }) => spanId));
});
