import { ServiceError } from "@sallyport/contracts";
import { afterEach, describe, expect, it } from "vitest";
import { FrameType, frame } from "./frames.ts";
import type { Incoming } from "./incoming.ts";
import { call, linkPair, type Pair, type PairOptions, rawPeer, settle } from "./link.fixture.ts";

const open: Pair[] = [];
afterEach(() => {
  for (const pair of open.splice(0)) pair.close();
});
function pair(options: PairOptions = {}): Pair {
  const made = linkPair(options);
  open.push(made);
  return made;
}

const echo = (exchange: Incoming) => {
  exchange.reply({ status: 200, ...exchange.head });
  exchange.write(exchange.body);
  exchange.end();
};

describe("an exchange", () => {
  it("brings head and body there, and head, data and end back", async () => {
    const { caller, requests } = pair({ serve: echo });
    const { told } = call(caller, { head: { to: "orders" }, body: Buffer.from("ping") });
    await told.over;
    expect(requests[0]?.head).toEqual({ to: "orders" });
    expect(told.head).toEqual({ status: 200, to: "orders" });
    expect(told.body.toString()).toBe("ping");
    expect(told.events).toEqual(["head", "data", "end"]);
  });

  it("may be without a body in both directions", async () => {
    const { caller, server, requests } = pair({ serve: echo });
    const { told } = call(caller);
    await told.over;
    expect(requests[0]?.body.length).toBe(0);
    expect(told.events).toEqual(["head", "end"]);
    expect([caller.size, server.size]).toEqual([0, 0]);
  });

  it("ends with its last data, or by itself when all data has gone before", async () => {
    const { caller, requests } = pair();
    const together = call(caller);
    const apart = call(caller);
    await settle();
    for (const one of requests) one.reply({});
    requests[0]?.write(Buffer.from("last"));
    requests[0]?.end();
    requests[1]?.write(Buffer.from("last"));
    await settle();
    expect(apart.told.events).toEqual(["head", "data"]);
    requests[1]?.end();
    await Promise.all([together.told.over, apart.told.over]);
    expect(together.told.events).toEqual(["head", "data", "end"]);
    expect(apart.told.events).toEqual(["head", "data", "end"]);
  });

  it("keeps its bytes apart from a thousand others that run at once", async () => {
    const { caller, requests } = pair();
    const bodies = Array.from({ length: 1000 }, (_, at) => Buffer.alloc(1 + ((at * 7919) % 3000), at));
    const calls = bodies.map((body, at) => call(caller, { head: { at }, body }));
    await settle();
    expect(requests).toHaveLength(1000);
    for (const one of requests) one.reply(one.head);
    // A few bytes of each in turn, the last ones first, so that their frames are mixed in every record.
    for (let from = 0; from < 3000; from += 500) {
      for (const one of [...requests].reverse()) {
        if (from < one.body.length) one.write(one.body.subarray(from, from + 500));
      }
      await settle(1);
    }
    for (const one of requests) one.end();
    await Promise.all(calls.map(({ told }) => told.over));
    for (const [at, { told }] of calls.entries()) {
      expect(told.head).toEqual({ at });
      expect(told.body.equals(bodies[at] as Buffer)).toBe(true);
    }
  });

  it("that the server fails gives the caller code and message, never the detail", async () => {
    const { caller } = pair({
      serve: (exchange) => exchange.fail(new ServiceError("denied", "no", { detail: "secret reason" })),
    });
    const { told } = call(caller);
    await told.over;
    expect(told.error).toMatchObject({ code: "denied", message: "no" });
    expect(told.error?.detail).toBeUndefined();
  });

  it("tells nothing after its end, whatever the server goes on to say", async () => {
    const { caller } = pair({
      serve: (exchange) => {
        echo(exchange);
        exchange.write(Buffer.from("more"));
        exchange.reply({ again: true });
        exchange.fail(new ServiceError("internal", "late"));
        exchange.end();
      },
    });
    const { told } = call(caller);
    await told.over;
    await settle();
    expect(told.events).toEqual(["head", "end"]);
  });

  it("tells nothing after its failure", async () => {
    const { caller, requests } = pair();
    const { told } = call(caller);
    await settle();
    requests[0]?.fail(new ServiceError("unavailable", "gone"));
    echo(requests[0] as Incoming);
    await told.over;
    await settle();
    expect(told.events).toEqual(["fail"]);
  });

  it("that is cancelled reaches the server, and tells the caller nothing more", async () => {
    const { caller, requests } = pair();
    const { exchange, told } = call(caller);
    await settle();
    const [request] = requests as [Incoming];
    let cancels = 0;
    request.on({ cancel: () => (cancels += 1), drain: () => undefined });
    exchange.cancel();
    exchange.cancel();
    await settle();
    expect(cancels).toBe(1);
    expect(request.over).toBe(true);
    echo(request);
    await settle();
    expect(told.events).toEqual([]);
    expect(caller.size).toBe(0);
  });

  it("without an answer by its deadline fails with timeout, and the server is told", async () => {
    const { caller, requests } = pair({ limits: { heartbeatMs: 20 } });
    const { told } = call(caller, { deadlineMs: 30 });
    await told.over;
    expect(told.error?.code).toBe("timeout");
    await settle();
    expect(requests[0]?.over).toBe(true);
  });

  it("whose answer has begun may go on beyond its deadline", async () => {
    const { caller, requests } = pair({ limits: { heartbeatMs: 20 } });
    const slow = call(caller, { deadlineMs: 600 });
    const begun = call(caller, { deadlineMs: 300 });
    await settle();
    requests[1]?.reply({ status: 200 });
    await slow.told.over; // its later deadline has passed: the other's has too
    expect(begun.told.events).toEqual(["head"]);
    requests[1]?.end();
    await begun.told.over;
    expect(begun.told.events).toEqual(["head", "end"]);
  });
});

describe("bounds of a link", () => {
  it("refuse one exchange too many before anything is sent, and take one again when another has ended", async () => {
    const { caller, requests } = pair({ limits: { maxExchanges: 2 } });
    const first = call(caller);
    call(caller);
    expect(() => call(caller)).toThrowError(expect.objectContaining({ code: "exhausted" }));
    await settle();
    echo(requests[0] as Incoming);
    await first.told.over;
    call(caller);
    await settle();
    expect(requests).toHaveLength(3);
  });

  it("answer a caller that does not keep to them with exhausted, and leave its other exchanges alone", async () => {
    const served: Incoming[] = [];
    const peer = rawPeer({ opened: (one) => served.push(one), limits: { maxExchanges: 2 } });
    peer.say(...[1, 2, 3].map((id) => frame(FrameType.open, id, Buffer.from("{}"), true)));
    peer.link.flush();
    expect(served).toHaveLength(2);
    expect(peer.link.error).toBeUndefined();
    expect(Buffer.concat(peer.heard).toString()).toContain("exhausted");
    peer.link.close(new ServiceError("unavailable", "over"));
  });

  it("refuse a body over the limit without keeping it, and take one that just fits", async () => {
    const { caller, requests } = pair({ limits: { maxRequestBytes: 200_000 } });
    const over = call(caller, { body: Buffer.alloc(200_001) });
    const fits = call(caller, { body: Buffer.alloc(200_000, 7) });
    await over.told.over;
    expect(over.told.error?.code).toBe("invalid");
    expect(requests).toHaveLength(1);
    expect(Buffer.from(requests[0]?.body ?? []).equals(Buffer.alloc(200_000, 7))).toBe(true);
    expect(fits.told.events).toEqual([]);
  });

  it("refuse what is too much over all requests in progress, and take more once some have ended", async () => {
    const { caller, requests } = pair({ limits: { maxHeldRequestBytes: 250_000 } });
    const first = call(caller, { body: Buffer.alloc(200_000) });
    const second = call(caller, { body: Buffer.alloc(100_000) });
    await second.told.over;
    expect(second.told.error?.code).toBe("exhausted");
    requests[0]?.reply({});
    requests[0]?.end();
    await first.told.over;
    const third = call(caller, { body: Buffer.alloc(200_000) });
    await expect.poll(() => requests.length).toBe(2);
    expect(third.told.events).toEqual([]);
  });

  it("refuse a head that the peer would have to cut the link for, and the link lives on", async () => {
    const { caller, requests } = pair({ serve: echo });
    const large = { name: "x".repeat(64 * 1024) };
    expect(() => call(caller, { head: large })).toThrowError(expect.objectContaining({ code: "invalid" }));
    const { told } = call(caller);
    await told.over;
    expect(requests).toHaveLength(1);
    expect(caller.error).toBeUndefined();
  });

  it("fail the one exchange whose reply has a head too large: a hostile upstream does not end the others", async () => {
    const { caller, requests } = pair();
    const hostile = call(caller);
    const other = call(caller);
    await settle();
    requests[0]?.reply({ status: 200, headers: [["mcp-session-id", '"'.repeat(40_000)]] });
    await hostile.told.over;
    expect(hostile.told.error?.code).toBe("internal");
    echo(requests[1] as Incoming);
    await other.told.over;
    expect(other.told.events).toEqual(["head", "end"]);
  });

  it("keep every record below its limit, however much is said in one turn", async () => {
    const sizes: number[] = [];
    const { caller } = pair({
      serve: echo,
      limits: { maxRecordBytes: 100_000 },
      road: (_direction, record, deliver) => {
        sizes.push(record.length);
        deliver(record);
      },
    });
    const calls = Array.from({ length: 20 }, () => call(caller, { body: Buffer.alloc(50_000) }));
    await Promise.all(calls.map(({ told }) => told.over));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(100_000 + 16);
  });

  it("put all that is said in one turn into one record", async () => {
    let records = 0;
    const { caller, requests } = pair({
      road: (direction, record, deliver) => {
        if (direction === "up") records += 1;
        deliver(record);
      },
    });
    for (let at = 0; at < 100; at += 1) call(caller, { body: Buffer.from("x") });
    await settle();
    expect(requests).toHaveLength(100);
    expect(records).toBe(1);
  });
});

describe("the end of a link", () => {
  it("fails every exchange once with the same error, cancels them at the server, and opens none any more", async () => {
    const { caller, server, requests, deaths } = pair();
    const calls = [call(caller), call(caller)];
    await settle();
    let cancels = 0;
    for (const one of requests) one.on({ cancel: () => (cancels += 1), drain: () => undefined });
    const error = new ServiceError("unavailable", "over");
    caller.close(error);
    server.close(error);
    caller.close(new ServiceError("internal", "twice"));
    for (const { told } of calls) expect(told).toMatchObject({ events: ["fail"], error });
    expect(cancels).toBe(2);
    expect(deaths.caller).toEqual([error]);
    expect(() => call(caller)).toThrow(error);
  });

  it("sends what was said before it when it is flushed", async () => {
    const { caller, server, requests } = pair();
    const { told } = call(caller);
    await settle();
    echo(requests[0] as Incoming);
    server.flush();
    server.close(new ServiceError("unavailable", "shutting down"));
    await told.over;
    expect(told.events).toEqual(["head", "end"]);
  });

  it("comes when the road is away", async () => {
    const peer = rawPeer({ send: () => false });
    const { told } = call(peer.link);
    await told.over;
    expect(told.error?.code).toBe("unavailable");
    expect(peer.deaths).toHaveLength(1);
  });
});

describe("control messages", () => {
  it("arrive in order with the exchanges around them", async () => {
    const order: unknown[] = [];
    const { caller } = pair({
      control: (message) => order.push(message),
      serve: (exchange) => order.push(exchange.head),
    });
    call(caller, { head: { n: 1 } });
    caller.control({ n: 2 });
    call(caller, { head: { n: 3 } });
    await settle();
    expect(order).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });
});
