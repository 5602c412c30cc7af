import type { Incoming } from "@sallyport/bus";
import type { Message } from "@sallyport/mcp";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Answered } from "./call.ts";
import { CallsInProgress } from "./calls-in-progress.ts";
import { handleExchange } from "./handle-exchange.ts";

afterEach(() => vi.useRealTimers());

const exchange = (more: object = {}) =>
  Object.defineProperties({ over: false }, Object.getOwnPropertyDescriptors(more)) as Incoming & {
    over: boolean;
  };
const post = (message: object) => ({ method: "POST", messages: [message as Message] });
const call = post({ kind: "request", id: 1, method: "tools/call", params: {} });
const answer = post({ kind: "response", id: 1, ok: true });
const stream = { method: "GET", messages: [] };

describe("a drain", () => {
  it("waits until each call in progress has all of its answer, and says that none is left", async () => {
    const calls = new CallsInProgress("connector");
    const one = exchange();
    let [looks, over] = [0, false];
    const two = exchange({
      get over() {
        looks += 1;
        return over;
      },
    });
    calls.begin(one, call);
    calls.begin(two, call);
    let left: number | undefined;
    const drained = calls.drain(5_000).then((number) => {
      left = number;
    });
    one.over = true;
    calls.ended(one);
    // All is said of it, and its agent has not taken all.
    calls.ended(two);
    const before = looks;
    await vi.waitUntil(() => looks > before + 2, { timeout: 5_000 });
    expect(left).toBeUndefined();
    over = true;
    await drained;
    expect(left).toBe(0);
  });

  it("ends in time, and says how many calls are left", async () => {
    const calls = new CallsInProgress("connector");
    calls.begin(exchange(), call);
    expect(await calls.drain(30)).toBe(1);
  });

  it.each([
    ["a GET stream", stream],
    ["a subscription", post({ kind: "request", id: 1, method: "subscriptions/listen", params: {} })],
    ["a notification", post({ kind: "notification", method: "notifications/initialized", params: {} })],
  ])("does not wait for %s", async (_what, request) => {
    const calls = new CallsInProgress("connector");
    calls.begin(exchange(), request);
    expect(await calls.drain(60_000)).toBe(0);
  });

  it("lets nothing begin but what a call in progress may wait for", async () => {
    const calls = new CallsInProgress("connector");
    await calls.drain(0);
    for (const request of [call, stream]) expect(() => calls.begin(exchange(), request)).toThrow(Answered);
    calls.begin(exchange(), answer);
  });
});

it.each(["connector", "runner"] as const)(
  "a new call at a %s that drains is refused under its id, and may be tried again",
  async (zone) => {
    const calls = new CallsInProgress(zone);
    await calls.drain(0);
    const said: unknown[] = [];
    const incoming = exchange({
      head: { grant: 1, server: "orders", method: "POST", headers: [], deadlineMs: 1_000 },
      body: Buffer.from('{"jsonrpc":"2.0","id":"a","method":"tools/list"}'),
      reply: (head: object) => said.push(head),
      write: (bytes: Uint8Array) => said.push(JSON.parse(Buffer.from(bytes).toString())),
      end: () => said.push("end"),
    });
    const deps = { calls, servers: new Map([["orders", {}]]), maxBodyBytes: 1_000, log: { warn: vi.fn() } };
    const grants = { use: async () => ({}) };
    await handleExchange(deps as never, incoming, grants as never);
    expect(said).toEqual([
      expect.objectContaining({ status: 200 }),
      expect.objectContaining({
        id: "a",
        error: expect.objectContaining({
          code: -31503,
          data: {
            sallyport: {
              code: "unavailable",
              source: zone,
              retryable: true,
              reason: `this ${zone} is draining; try again`,
            },
          },
        }),
      }),
      "end",
    ]);
  },
);
