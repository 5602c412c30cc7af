import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FrameType, frame } from "./frames.ts";
import type { Incoming } from "./incoming.ts";
import { call, linkPair, type Pair, rawPeer, settle, type Told } from "./link.fixture.ts";

type Deliver = (record: Uint8Array) => void;

/** What somebody on the way does with the next records of the server. Each list is what arrives in the end. */
const interferences: [string, (records: Uint8Array[]) => Uint8Array[]][] = [
  ["changed in its first byte", ([one, two]) => [flip(one, 0), two as Uint8Array]],
  ["changed in its last byte", ([one, two]) => [flip(one, -1), two as Uint8Array]],
  ["cut short", ([one, two]) => [(one as Uint8Array).subarray(0, -1), two as Uint8Array]],
  ["cut to nothing", () => [new Uint8Array(0)]],
  ["made longer", ([one]) => [Buffer.concat([one as Uint8Array, Buffer.of(0)])]],
  ["dropped", ([, two]) => [two as Uint8Array]],
  ["overtaken by the next", ([one, two]) => [two as Uint8Array, one as Uint8Array]],
];

function flip(record: Uint8Array | undefined, at: number): Uint8Array {
  const changed = Buffer.from(record as Uint8Array);
  const index = at < 0 ? changed.length + at : at;
  changed[index] = (changed[index] as number) ^ 1;
  return changed;
}

describe("a record that was tampered with", () => {
  let pair: Pair;
  let holding: { record: Uint8Array; deliver: Deliver }[] | undefined;
  let calls: { told: Told }[];
  const seen: Uint8Array[] = [];

  beforeEach(async () => {
    holding = undefined;
    seen.length = 0;
    pair = linkPair({
      road: (direction, record, deliver) => {
        if (direction === "down") seen.push(record);
        if (direction === "down" && holding) holding.push({ record, deliver });
        else deliver(record);
      },
    });
    calls = [call(pair.caller), call(pair.caller), call(pair.caller)];
    await settle();
    for (const one of pair.requests) {
      one.reply({ status: 200 });
      one.write(Buffer.from("before "));
    }
    await settle();
    holding = [];
  });
  afterEach(() => pair.close());

  const write = async (text: string) => {
    pair.requests[0]?.write(Buffer.from(text));
    await settle();
  };

  it.each(interferences)(
    "and %s ends every exchange with an error, and delivers no byte of it",
    async (_what, interfere) => {
      await write("first ");
      await write("second ");
      const records = holding as { record: Uint8Array; deliver: Deliver }[];
      expect(records).toHaveLength(2);
      for (const record of interfere(records.map((one) => one.record))) records[0]?.deliver(record);
      await settle();
      for (const { told } of calls) {
        expect(told.events).toEqual(["head", "data", "fail"]);
        expect(told.body.toString()).toBe("before ");
        expect(told.error?.code).toBe("unavailable");
        expect(told.error?.message).toMatch(/interfered/);
      }
      expect(() => call(pair.caller)).toThrow();
    },
  );

  it("and replayed ends them too, after it was delivered once", async () => {
    await write("first ");
    const [only] = holding as { record: Uint8Array; deliver: Deliver }[];
    only?.deliver(only.record);
    only?.deliver(only.record);
    await settle();
    expect(calls[0]?.told.body.toString()).toBe("before first ");
    for (const { told } of calls) expect(told.events.at(-1)).toBe("fail");
  });

  it("and replayed from long ago ends them too", async () => {
    pair.caller.receive(seen[0] as Uint8Array);
    for (const { told } of calls) {
      expect(told.body.toString()).toBe("before ");
      expect(told.events.at(-1)).toBe("fail");
    }
  });

  it("and sent back to who made it ends every exchange there", async () => {
    pair.server.receive(seen[0] as Uint8Array);
    expect(pair.server.error).toBeDefined();
    for (const one of pair.requests) expect(one.over).toBe(true);
  });

  it("and from another session ends them too", async () => {
    const other = linkPair({ road: (_direction, record) => pair.caller.receive(record) });
    call(other.caller);
    await settle();
    for (const { told } of calls) expect(told.events.at(-1)).toBe("fail");
    other.close();
  });
});

describe("an authentic peer that breaks the protocol is cut", () => {
  const json = (value: unknown) => Buffer.from(JSON.stringify(value));
  const open = (id: number) => frame(FrameType.open, id, json({}), true);

  it.each([
    ["by a frame of no known type", (peer: Peer) => peer.sayBytes(Buffer.alloc(10))],
    ["by half a frame", (peer: Peer) => peer.sayBytes(Buffer.alloc(3))],
    ["by opening an exchange twice", (peer: Peer) => peer.say(open(1), open(1))],
    [
      "by a head that is not JSON",
      (peer: Peer) => peer.say(frame(FrameType.open, 1, Buffer.from("{"), true)),
    ],
    [
      "by a head that is no object",
      (peer: Peer) => peer.say(frame(FrameType.open, 1, Buffer.from("1"), true)),
    ],
    [
      "by a head that is too large",
      (peer: Peer) => peer.say(frame(FrameType.open, 1, json({ x: "x".repeat(70_000) }), true)),
    ],
    [
      "by a reply head that is not JSON",
      (peer: Peer) => peer.say(frame(FrameType.head, 1, Buffer.from("]"))),
    ],
    [
      "by a control message that is not JSON",
      (peer: Peer) => peer.say(frame(FrameType.control, 0, Buffer.from("x"))),
    ],
    [
      "by a control message that is too large",
      (peer: Peer) => peer.say(frame(FrameType.control, 0, json({ x: "x".repeat(70_000) }))),
    ],
    [
      "by a credit of the wrong size",
      (peer: Peer) => peer.say(open(1), frame(FrameType.credit, 1, Buffer.alloc(3))),
    ],
  ])("%s", async (_how, misbehave) => {
    const served: Incoming[] = [];
    const peer = rawPeer({ opened: (one) => served.push(one) });
    const { told } = call(peer.link);
    misbehave(peer);
    await told.over;
    expect(told.events).toEqual(["fail"]);
    expect(peer.deaths).toHaveLength(1);
    for (const one of served) expect(one.over).toBe(true);
  });

  it.each([
    ["data", frame(FrameType.data, 1, Buffer.from("unheaded"))],
    ["an end", frame(FrameType.data, 1, Buffer.alloc(0), true)],
  ])("by %s before the reply's head", async (_what, early) => {
    const peer = rawPeer();
    const { told } = call(peer.link);
    peer.say(early);
    await told.over;
    expect(told.events).toEqual(["fail"]);
    expect(peer.deaths).toHaveLength(1);
  });

  it("by an exchange that is opened the wrong way round", async () => {
    const peer = rawPeer(); // an edge serves nothing
    peer.say(open(1));
    expect(peer.deaths[0]?.detail).toMatch(/cannot be opened/);
  });

  it("and what it says about exchanges that it does not know is left alone", async () => {
    const peer = rawPeer({ opened: () => undefined });
    const { told } = call(peer.link);
    peer.say(
      frame(FrameType.data, 99, Buffer.from("x"), true),
      frame(FrameType.credit, 99, Buffer.alloc(4)),
      frame(FrameType.cancel, 99),
      frame(FrameType.error, 99, json({ code: "denied", message: "x" })),
      frame(FrameType.head, 99, json({})),
    );
    expect(peer.deaths).toEqual([]);
    expect(told.events).toEqual([]);
    peer.say(frame(FrameType.error, 1, Buffer.from("not JSON")));
    await told.over;
    expect(told.error?.code).toBe("internal");
    peer.link.close(told.error as never);
  });
});

type Peer = ReturnType<typeof rawPeer>;
