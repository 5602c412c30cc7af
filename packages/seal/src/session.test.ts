import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { flipBit, openPair } from "./handshake.fixture.ts";
import { MAX_PLAINTEXT_BYTES, RECORD_OVERHEAD_BYTES, type SealSession } from "./session.ts";

const text = (value: string) => Buffer.from(value);
const epochOf = (record: Uint8Array) => Buffer.from(record).readUInt32BE(0);

function faultOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (fault) {
    return fault;
  }
}

/** The session is over in both directions, and what was a good record before opens no more. */
function expectDead(session: SealSession, good: Uint8Array): void {
  expect(session.dead).toBe(true);
  expect(() => session.open(good)).toThrow(expect.objectContaining({ code: "dead" }));
  expect(() => session.seal(text("x"))).toThrow(expect.objectContaining({ code: "dead" }));
}

describe("records", () => {
  test("carry any bytes, both ways, in order", async () => {
    const { edge, connector } = await openPair();
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 3000 }), (up, bytes) => {
        const [from, to] = up ? [edge, connector] : [connector, edge];
        const record = from.seal(bytes);
        expect(record.length).toBe(bytes.length + RECORD_OVERHEAD_BYTES);
        expect(Buffer.compare(to.open(record), bytes)).toBe(0);
      }),
    );
  });

  test("are made of parts that need not lie together, behind free bytes for an envelope", async () => {
    const { edge, connector } = await openPair();
    const part = fc.uint8Array({ maxLength: 3000 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.integer({ min: 0, max: 40 }), (parts, headroom) => {
        const message = edge.seal(parts, headroom);
        expect(Buffer.concat(parts).equals(connector.open(message.subarray(headroom)))).toBe(true);
      }),
    );
  });

  test("never show their plaintext", async () => {
    const { edge } = await openPair();
    const secret = Buffer.from("correct horse battery staple");
    for (let i = 0; i < 50; i++)
      expect(Buffer.from(edge.seal(secret)).includes(secret.subarray(0, 4))).toBe(false);
  });

  test("have different ciphertexts for the same plaintext, tag aside", async () => {
    const { edge } = await openPair();
    const body = () => Buffer.from(edge.seal(Buffer.alloc(32))).toString("hex", 12, 44);
    expect(new Set(Array.from({ length: 200 }, body)).size).toBe(200);
  });

  test("carry up to the limit, and a larger one leaves the session usable", async () => {
    const { edge, connector } = await openPair();
    const most = Buffer.alloc(MAX_PLAINTEXT_BYTES, 1);
    expect(connector.open(edge.seal(most)).length).toBe(MAX_PLAINTEXT_BYTES);
    const tooMuch = Buffer.alloc(MAX_PLAINTEXT_BYTES + 1);
    expect(() => edge.seal(tooMuch)).toThrow(expect.objectContaining({ code: "too-large" }));
    expect(connector.open(edge.seal(text("go on")))).toEqual(text("go on"));
  });
});

describe("somebody between the two, holding records", () => {
  test("changes any bit and gets an error, never data", async () => {
    const bits = (RECORD_OVERHEAD_BYTES + 5) * 8;
    for (let bit = 0; bit < bits; bit += 5) {
      const { edge, connector } = await openPair();
      const record = edge.seal(text("hello"));
      expect(() => connector.open(flipBit(record, bit))).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^bad-(order|record)$/) }),
      );
      expectDead(connector, record);
    }
  });

  test("rewrites, cuts or extends it in any way and gets an error, never data", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), fc.nat(60), fc.nat(60), async (junk, at, remove) => {
        const { edge, connector } = await openPair();
        const record = Buffer.from(edge.seal(text("hello, hello")));
        const changed = Buffer.concat([record.subarray(0, at), junk, record.subarray(at + remove)]);
        fc.pre(!changed.equals(record));
        expect(() => connector.open(changed)).toThrow(expect.objectContaining({ name: "SealError" }));
        expectDead(connector, record);
      }),
      { numRuns: 60 },
    );
  });

  type Pairs = Awaited<ReturnType<typeof openPair>>;
  const attacks: [name: string, code: string, attack: (p: Pairs) => Promise<[SealSession, Uint8Array]>][] = [
    [
      "replays one",
      "bad-order",
      async ({ edge, connector }) => {
        const record = edge.seal(text("a"));
        connector.open(record);
        return [connector, record];
      },
    ],
    [
      "drops one",
      "bad-order",
      async ({ edge, connector }) => {
        edge.seal(text("a"));
        return [connector, edge.seal(text("b"))];
      },
    ],
    ["reflects one", "bad-record", async ({ edge }) => [edge, edge.seal(text("a"))]],
    [
      "moves one to another session",
      "bad-record",
      async ({ edge }) => [(await openPair()).connector, edge.seal(text("a"))],
    ],
    [
      "cuts the tag",
      "bad-record",
      async ({ edge, connector }) => [connector, edge.seal(text("a")).subarray(0, -1)],
    ],
    [
      "extends one",
      "bad-record",
      async ({ edge, connector }) => [connector, Buffer.concat([edge.seal(text("a")), Buffer.alloc(1)])],
    ],
    ["sends nothing", "bad-record", async ({ connector }) => [connector, new Uint8Array()]],
    ["sends less than a header", "bad-record", async ({ connector }) => [connector, Buffer.alloc(27)]],
    [
      "sends more than a record may be",
      "bad-record",
      async ({ connector }) => [connector, Buffer.alloc(MAX_PLAINTEXT_BYTES + RECORD_OVERHEAD_BYTES + 1)],
    ],
    [
      "claims the next epoch",
      "bad-record",
      async ({ edge, connector }) => [connector, flipBit(edge.seal(text("a")), 24)],
    ],
    [
      "claims a later epoch",
      "bad-order",
      async ({ edge, connector }) => [connector, flipBit(edge.seal(text("a")), 25)],
    ],
  ];
  test.each(attacks)("%s: %s", async (_, code, attack) => {
    const [victim, record] = await attack(await openPair());
    expect(() => victim.open(record)).toThrow(expect.objectContaining({ code }));
    expectDead(victim, record);
  });

  test.each([0, 11, 27, MAX_PLAINTEXT_BYTES + RECORD_OVERHEAD_BYTES + 1])(
    "sends %d bytes: refused by size, before anything is computed",
    async (size) => {
      const { connector } = await openPair();
      const fault = faultOf(() => connector.open(Buffer.alloc(size)));
      expect(fault).toMatchObject({ code: "bad-record" });
      expect(fault).not.toHaveProperty("cause"); // a refusal by the cipher has one
    },
  );

  test("swaps two: neither opens any more", async () => {
    const { edge, connector } = await openPair();
    const [first, second] = [edge.seal(text("a")), edge.seal(text("b"))];
    expect(() => connector.open(second)).toThrow(expect.objectContaining({ code: "bad-order" }));
    expectDead(connector, first);
  });
});

describe("epochs", () => {
  test("roll after a number of records, and what is sealed opens across the change", async () => {
    const { edge, connector } = await openPair({ limits: { records: 3 } });
    const epochs = Array.from({ length: 8 }, (_, i) => {
      const record = edge.seal(text(`r${i}`));
      expect(connector.open(record)).toEqual(text(`r${i}`));
      return epochOf(record);
    });
    expect(epochs).toEqual([0, 0, 0, 1, 1, 1, 2, 2]);
    expect(epochOf(connector.seal(text("the other direction has epochs of its own")))).toBe(0);
  });

  test("roll after a number of bytes", async () => {
    const { edge, connector } = await openPair({ limits: { bytes: 10 } });
    const epochs = [4, 6, 1, 20, 1].map((size) => {
      const record = edge.seal(Buffer.alloc(size));
      connector.open(record);
      return epochOf(record);
    });
    expect(epochs).toEqual([0, 0, 1, 2, 3]);
  });

  test("roll after a time", async () => {
    let time = 0;
    const { edge, connector } = await openPair({ limits: { milliseconds: 1000 }, clock: () => time });
    const epochs = [0, 999, 1000, 1999, 2000, 9000].map((at) => {
      time = at;
      const record = edge.seal(text("x"));
      connector.open(record);
      return epochOf(record);
    });
    expect(epochs).toEqual([0, 0, 1, 1, 2, 3]);
  });

  test("have the stated limits when nothing is injected", async () => {
    let time = 0;
    const { edge } = await openPair({ clock: () => time });
    time = 15 * 60_000 - 1;
    expect(epochOf(edge.seal(text("x")))).toBe(0);
    time += 1;
    expect(epochOf(edge.seal(text("x")))).toBe(1);
  });

  test("cannot be skipped or turned back", async () => {
    const options = { limits: { records: 1 } };
    const skipped = await openPair(options);
    skipped.edge.seal(text("0"));
    skipped.edge.seal(text("1"));
    const third = skipped.edge.seal(text("2"));
    expect(() => skipped.connector.open(third)).toThrow(expect.objectContaining({ code: "bad-order" }));

    const back = await openPair(options);
    const [zero, one] = [back.edge.seal(text("0")), back.edge.seal(text("1"))];
    back.connector.open(zero);
    back.connector.open(one);
    expect(() => back.connector.open(zero)).toThrow(expect.objectContaining({ code: "bad-order" }));
  });

  test("end: the session is exhausted rather than repeat a nonce", async () => {
    const { edge, connector } = await openPair({ limits: { records: 1, lastEpoch: 1 } });
    const records = [edge.seal(text("0")), edge.seal(text("1"))];
    for (const record of records) connector.open(record);
    expect(() => edge.seal(text("2"))).toThrow(expect.objectContaining({ code: "exhausted" }));
    expect(edge.dead).toBe(true);
  });
});

describe("a closed session", () => {
  test("neither seals nor opens, and closing again changes nothing", async () => {
    const { edge, connector } = await openPair();
    const record = edge.seal(text("late"));
    connector.close();
    connector.close();
    expectDead(connector, record);
    expect(edge.dead).toBe(false);
  });
});
