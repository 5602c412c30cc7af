import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeFrame, encodeString, type Frame, FrameError, FrameReader, maxFrameBytes } from "./frame.ts";

const frames = fc.array(
  fc.record({
    type: fc.integer({ min: 0, max: 255 }),
    id: fc.integer({ min: 0, max: 0xffffffff }),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  }),
  { maxLength: 8 },
);

describe("the frame reader", () => {
  it("reads what was written, however the bytes are cut", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map(encodeFrame));
        const reader = new FrameReader();
        const seen: Frame[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const end = at + (cuts[turn % cuts.length] ?? 1);
          seen.push(...reader.push(bytes.subarray(at, end)));
          at = end;
        }
        expect(seen).toEqual(sent);
      }),
    );
  });

  it("answers any bytes with frames in bounds or a FrameError, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const reader = new FrameReader();
        try {
          for (const chunk of chunks)
            for (const frame of reader.push(Buffer.from(chunk)))
              expect(frame.payload.length).toBeLessThan(maxFrameBytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });

  it.each([0, 4, maxFrameBytes + 1, 0xffffffff])(
    "refuses a length of %i as soon as it is there",
    (length) => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(length);
      expect(() => new FrameReader().push(head)).toThrow(FrameError);
    },
  );

  it("takes a frame of exactly the largest size, and no larger one is made", () => {
    const payload = Buffer.alloc(maxFrameBytes - 5);
    expect(new FrameReader().push(encodeFrame({ type: 3, id: 1, payload }))).toHaveLength(1);
    expect(() => encodeFrame({ type: 3, id: 1, payload: Buffer.alloc(maxFrameBytes - 4) })).toThrow(
      FrameError,
    );
  });
});

it("a NUL is refused in a string", () => {
  expect(() => encodeString("a\0b")).toThrow(RangeError);
});
