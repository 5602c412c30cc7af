import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { until } from "@sallyport/testkit";
import { afterEach, expect, test } from "vitest";
import { openBackend } from "./backend.ts";
import { Forward, type ForwardLimits } from "./forward.ts";

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).reverse()) await close();
});

interface Got {
  url: string | undefined;
  headers: IncomingMessage["headers"];
  body: Buffer;
  at: number;
}

/** A real OTLP/HTTP backend that answers as the test says, call by call; then 200. */
async function backend(...answers: ((answer: ServerResponse) => void)[]) {
  const got: Got[] = [];
  const server = createServer(async (ask, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of ask) chunks.push(chunk as Buffer);
    got.push({ url: ask.url, headers: ask.headers, body: Buffer.concat(chunks), at: performance.now() });
    (answers[got.length - 1] ?? ((ok) => ok.writeHead(200).end()))(answer);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanUp.push(async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  });
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/otlp/` };
}

function forward(url: string, limits: Partial<ForwardLimits> = {}, timeoutMs = 2000) {
  const warnings: object[] = [];
  const road = new Forward(
    openBackend({ url, headers: async () => ({ authorization: "Bearer token-1" }), timeoutMs }),
    { maxCount: 4, maxBytes: 1000, maxAgeMs: 60_000, firstPauseMs: 10, maxPauseMs: 1000, ...limits },
    { warn: (fields) => void warnings.push(fields) },
  );
  cleanUp.push(() => road.close());
  return { road, warnings };
}

const payload = (text: string) => new TextEncoder().encode(text);
const status =
  (code: number, headers: Record<string, string> = {}) =>
  (answer: ServerResponse) =>
    void answer.writeHead(code, headers).end("no");
const arrived = (got: Got[], count: number) =>
  until(`${count} payloads arrive`, () => got.length >= count, { within: 5000 });

test("a payload reaches the signal's path as protobuf, with the backend's secret header", async () => {
  const { got, url } = await backend();
  forward(url).road.send("traces", payload("one"));
  await arrived(got, 1);
  expect(got[0]).toMatchObject({
    url: "/otlp/v1/traces",
    headers: { "content-type": "application/x-protobuf", authorization: "Bearer token-1" },
    body: Buffer.from("one"),
  });
});

test.each([429, 502, 503, 504])("after status %i the same payload is sent again", async (code) => {
  const { got, url } = await backend(status(code), status(code));
  const { road } = forward(url);
  road.send("metrics", payload("again"));
  await arrived(got, 3);
  expect(got.map(({ body }) => body.toString())).toEqual(["again", "again", "again"]);
  await until("all is well", () => road.problem === undefined, { within: 2000 });
  expect(road.dropped).toBe(0);
});

test("Retry-After is waited for, and not longer than the longest pause", async () => {
  const { got, url } = await backend(
    status(429, { "retry-after": "1" }),
    status(503, { "retry-after": "9999" }),
  );
  forward(url, { maxPauseMs: 1200 }).road.send("traces", payload("x"));
  await arrived(got, 3);
  const [first, second, third] = got.map(({ at }) => at) as [number, number, number];
  expect(second - first).toBeGreaterThan(900);
  expect(third - second).toBeGreaterThan(1100);
});

test.each([301, 400, 401, 500])(
  "after status %i the payload is dropped and the next one sent",
  async (code) => {
    const { got, url } = await backend(status(code, { location: "http://127.0.0.1:1/" }));
    const { road, warnings } = forward(url);
    road.send("traces", payload("one"));
    road.send("traces", payload("two"));
    await arrived(got, 2);
    expect(got.map(({ body }) => body.toString())).toEqual(["one", "two"]);
    expect(road.dropped).toBe(1);
    expect(JSON.stringify(warnings)).toContain(`status ${code}`);
    expect(JSON.stringify(warnings)).not.toContain("token-1");
  },
);

test("an answer without end is cut off; it counts as its status says", async () => {
  let written = 0;
  let cut = false;
  const { got, url } = await backend((answer) => {
    answer.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024);
    const pour = () => {
      for (let more = true; more && !answer.destroyed; written += chunk.length) more = answer.write(chunk);
    };
    answer.on("drain", pour).on("close", () => {
      cut = true;
    });
    pour();
  });
  const { road } = forward(url);
  road.send("traces", payload("one"));
  road.send("traces", payload("two"));
  await arrived(got, 2);
  await until("the answer is cut off", () => cut, { within: 2000 });
  expect(written).toBeLessThan(16 * 1024 ** 2);
  expect(road.dropped).toBe(0);
});

test("an answer that comes drop by drop is given up in time; it counts as its status says", async () => {
  const { got, url } = await backend((answer) => {
    answer.writeHead(200);
    const drip = setInterval(() => answer.write("."), 50);
    answer.on("close", () => clearInterval(drip));
  });
  const { road } = forward(url, {}, 300);
  road.send("traces", payload("one"));
  road.send("traces", payload("two"));
  await arrived(got, 2);
  expect(got[1]?.body.toString()).toBe("two");
  expect(road.dropped).toBe(0);
});

test("a backend that does not answer is given up in time and tried again", async () => {
  const { got, url } = await backend(() => {});
  forward(url, {}, 150).road.send("traces", payload("x"));
  await arrived(got, 2);
});

test("the queue is bounded in number: the oldest are dropped", async () => {
  const { got, url } = await backend(status(503, { "retry-after": "1" }));
  const { road } = forward(url);
  road.send("traces", payload("0"));
  await arrived(got, 1);
  for (let n = 1; n <= 7; n++) road.send("traces", payload(String(n)));
  expect(road.dropped).toBe(3);
  await arrived(got, 6);
  expect(got.map(({ body }) => body.toString())).toEqual(["0", "0", "4", "5", "6", "7"]);
});

test("the queue is bounded in bytes, and one payload larger than the queue is dropped alone", async () => {
  const { got, url } = await backend(status(503, { "retry-after": "1" }));
  const { road } = forward(url, { maxCount: 100 });
  road.send("traces", payload("0"));
  await arrived(got, 1);
  for (const letter of ["a", "b", "c"]) road.send("traces", payload(letter.repeat(400)));
  expect(road.dropped).toBe(1);
  road.send("traces", new Uint8Array(1001));
  expect(road.dropped).toBe(2);
  await arrived(got, 4);
  expect(got.map(({ body }) => body.toString()[0])).toEqual(["0", "0", "b", "c"]);
});

test("a payload that cannot be delivered for too long is dropped", async () => {
  const { url } = await backend(...Array.from({ length: 100 }, () => status(503)));
  const { road, warnings } = forward(url, { maxAgeMs: 200, maxPauseMs: 50 });
  road.send("traces", payload("x"));
  await until("it is dropped", () => road.dropped === 1, { within: 5000 });
  expect(road.problem).toContain("status 503");
  expect(warnings).toHaveLength(1);
});

test("close delivers what waits, and takes nothing more", async () => {
  const { got, url } = await backend();
  const { road } = forward(url);
  road.send("traces", payload("one"));
  road.send("traces", payload("two"));
  await road.close();
  expect(got).toHaveLength(2);
  road.send("traces", payload("three"));
  expect(road.dropped).toBe(1);
});

test("close does not wait for a backend that is away", async () => {
  const { road } = forward("http://127.0.0.1:1/", {
    firstPauseMs: 60_000,
    maxPauseMs: 60_000,
    maxAgeMs: 600_000,
  });
  road.send("traces", payload("one"));
  road.send("traces", payload("two"));
  const started = performance.now();
  await road.close();
  expect(performance.now() - started).toBeLessThan(5000);
  expect(road.dropped).toBe(2);
});
