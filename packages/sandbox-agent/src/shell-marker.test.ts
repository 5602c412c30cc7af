import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { markersOf, untilMarker } from "./shell-marker.ts";

const markers = markersOf("0".repeat(32));
async function read(bytes: Buffer, cut: number): Promise<{ code: number | undefined; data: string }> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += cut) yield bytes.subarray(at, at + cut);
  }
  const data: Buffer[] = [];
  const code = await untilMarker(pieces(), markers, async (piece) => {
    data.push(piece);
  });
  return { code, data: Buffer.concat(data).toString("latin1") };
}

describe("between the markers", () => {
  it("is all that a command wrote, however the bytes are cut, and nothing of before or after", async () => {
    const output = fc.string({ unit: fc.constantFrom("\n", "<", "e", "n", "d", " ", "0"), maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(output, output, fc.integer({ min: 1, max: 40 }), async (before, text, cut) => {
        const bytes = Buffer.from(`${before}${markers.begin}${text}${markers.end}7>\nlater`, "latin1");
        expect(await read(bytes, cut)).toEqual({ code: 7, data: text });
      }),
    );
  });

  it("an end without a code is output like any other, and is not kept in memory", async () => {
    const bytes = Buffer.from(`${markers.begin}a${markers.end}nothing${markers.end}255>\n`);
    for (const cut of [1, 7, 1000])
      expect(await read(bytes, cut)).toEqual({ code: 255, data: `a${markers.end}nothing` });
  });

  it("no end is no code", async () => {
    expect(await read(Buffer.from(`${markers.begin}all\n`), 3)).toMatchObject({ code: undefined });
  });
});
