import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { brotliCompressSync, constants, createGzip, deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type DecodeLimits, decodeBody } from "./decode-body.ts";

const WIDE: DecodeLimits = { maxOutputBytes: 64 * 1024 * 1024, maxRatio: 100_000 };
const TEXT = Buffer.from(JSON.stringify({ text: "a body, nothing special" }));

async function decode(encoding: string, packed: Uint8Array, limits = WIDE): Promise<string> {
  const decoder = decodeBody(encoding, limits);
  if (decoder === undefined) throw new Error("nothing to unpack");
  const plain = buffer(decoder.readable);
  decoder.writable.end(packed);
  return (await plain).toString();
}

const fails = (code: string) => expect.objectContaining({ name: "ScrubError", code });

describe("a packed body", () => {
  test("is unpacked by its coding", async () => {
    expect(await decode("gzip", gzipSync(TEXT))).toBe(TEXT.toString());
    expect(await decode(" X-GZIP ", gzipSync(TEXT))).toBe(TEXT.toString());
    expect(await decode("deflate", deflateSync(TEXT))).toBe(TEXT.toString());
    expect(await decode("br", brotliCompressSync(TEXT))).toBe(TEXT.toString());
  });

  test("passes as it is where there is no coding", () => {
    expect(decodeBody(undefined, WIDE)).toBeUndefined();
    expect(decodeBody("identity", WIDE)).toBeUndefined();
  });

  test("gives each event as soon as its server flushed it", async () => {
    const decoder = decodeBody("gzip", WIDE);
    if (decoder === undefined) throw new Error("nothing to unpack");
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
    gzip.pipe(decoder.writable);
    gzip.write("data: one\n\n");
    const [event] = await once(decoder.readable, "data");
    expect(String(event)).toBe("data: one\n\n");
    decoder.readable.destroy();
    gzip.destroy();
  });

  test("is refused with several codings, or one that is unknown", () => {
    expect(() => decodeBody("gzip, gzip", WIDE)).toThrow(fails("several-codings"));
    expect(() => decodeBody("identity, br", WIDE)).toThrow(fails("several-codings"));
    expect(() => decodeBody("zstd", WIDE)).toThrow(fails("unknown-coding"));
  });

  test("is refused where it is damaged or ends early", async () => {
    const packed = gzipSync(TEXT);
    await expect(decode("gzip", packed.subarray(0, packed.length - 4))).rejects.toEqual(
      fails("corrupt-coding"),
    );
    await expect(decode("gzip", TEXT)).rejects.toEqual(fails("corrupt-coding"));
    await expect(decode("br", TEXT)).rejects.toEqual(fails("corrupt-coding"));
  });

  test("is refused above the size or the ratio allowed", async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 1024 * 1024));
    await expect(decode("gzip", bomb, { ...WIDE, maxOutputBytes: 1024 * 1024 })).rejects.toEqual(
      fails("too-large"),
    );
    await expect(decode("gzip", bomb, { ...WIDE, maxRatio: 100 })).rejects.toEqual(fails("too-dense"));
    const small = gzipSync(Buffer.alloc(32 * 1024));
    expect(await decode("gzip", small, { ...WIDE, maxRatio: 100 })).toHaveLength(32 * 1024);
  });
});
