import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeFrames, encodeFrames, type Frame, FrameError, FrameType, frameHeaderBytes } from "./frames.ts";

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(...Object.values(FrameType)),
    end: fc.boolean(),
    exchange: fc.integer({ min: 0, max: 0xffffffff }),
    // Some are large enough to be parts of their own.
    payload: fc.oneof(
      { weight: 9, arbitrary: fc.uint8Array({ maxLength: 300 }) },
      {
        weight: 1,
        arbitrary: fc.integer({ min: 4_000, max: 4_200 }).map((size) => new Uint8Array(size).fill(7)),
      },
    ),
  }),
  { maxLength: 20 },
);

function encoded(list: readonly Frame[]): Buffer {
  return Buffer.concat(encodeFrames(list));
}

const plain = (list: readonly Frame[]) => list.map((one) => ({ ...one, payload: [...one.payload] }));

describe("frames of a record", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(frames, (list) => {
        expect(plain(decodeFrames(encoded(list)))).toEqual(plain(list));
      }),
    );
  });

  it("are refused when the record is cut anywhere inside of a frame", () => {
    fc.assert(
      fc.property(frames, fc.nat(), (list, at) => {
        const whole = encoded(list);
        const cut = whole.subarray(0, at % (whole.length + 1));
        if (bordersOf(list).has(cut.length)) expect(encoded(decodeFrames(cut))).toEqual(cut);
        else expect(() => decodeFrames(cut)).toThrow(FrameError);
      }),
    );
  });

  it("give an error of their own for any bytes, or frames that say the same bytes again", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          expect([...encoded(decodeFrames(bytes))]).toEqual([...bytes]);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });

  const header = (type: number, flags: number, length: number) => {
    const bytes = Buffer.alloc(frameHeaderBytes);
    bytes[0] = type;
    bytes[1] = flags;
    bytes.writeUInt32BE(length, 6);
    return bytes;
  };

  it.each([
    ["type 0", header(0, 0, 0)],
    ["a type that nobody knows", header(11, 0, 0)],
    ["flags that nobody knows", header(3, 2, 0)],
    ["more bytes than there are", header(3, 0, 1)],
    ["a length of 4 GiB", header(3, 0, 0xffffffff)],
    ["half a header", header(3, 0, 0).subarray(0, 9)],
  ])("are refused for %s, also behind good ones", (_what, bytes) => {
    expect(() => decodeFrames(bytes)).toThrow(FrameError);
    expect(() => decodeFrames(Buffer.concat([header(8, 0, 0), bytes]))).toThrow(FrameError);
  });
});

/** Where one frame ends and the next begins: what is cut there is whole frames. */
function bordersOf(list: readonly Frame[]): Set<number> {
  const borders = new Set([0]);
  let at = 0;
  for (const one of list) {
    at += frameHeaderBytes + one.payload.length;
    borders.add(at);
  }
  return borders;
}
