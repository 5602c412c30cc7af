import { pipeline, type Readable, Transform, type Writable } from "node:stream";
import {
  type BrotliDecompress,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  type Gunzip,
  type Inflate,
} from "node:zlib";
import { ScrubError } from "./scrub-error.ts";

export interface DecodeLimits {
  /** Most bytes that one body may unpack to. */
  maxOutputBytes: number;
  /** Most unpacked bytes per packed byte, looked at once 64 KiB came out: small bodies may be very regular. */
  maxRatio: number;
}

/** Both ends of an unpacker. Errors come out of `readable`; destroying it stops the work. */
export interface BodyDecoder {
  /** Takes the body as it arrived. */
  readonly writable: Writable;
  /** Gives its plain bytes, as soon as they are known, so that events pass one by one. */
  readonly readable: Readable;
}

const RATIO_FROM_BYTES = 64 * 1024;

/**
 * Unpack a body, within bounds. Undefined where there is nothing to unpack. Only one layer: a body wrapped thousands of
 * times costs whoever unpacks it (CVE-2026-22036), and one that stays packed would pass the scrubber unseen.
 *
 * @param encoding the `Content-Encoding` header (RFC 9110, section 8.4)
 * @throws ScrubError `unknown-coding`, `several-codings`. `readable` fails with `corrupt-coding` (also where the body
 *   ends early), `too-large`, `too-dense`.
 */
export function decodeBody(encoding: string | undefined, limits: DecodeLimits): BodyDecoder | undefined {
  const coding = (encoding ?? "").trim().toLowerCase();
  if (coding.includes(",")) throw new ScrubError("several-codings");
  if (coding === "" || coding === "identity") return undefined;

  const unpacker = unpackerFor(coding);
  const guard = boundedBy(limits, () => unpacker.bytesWritten);
  unpacker.on("error", () => guard.destroy(new ScrubError("corrupt-coding"))); // before `pipeline` passes zlib's own on
  pipeline(unpacker, guard, () => {});
  return { writable: unpacker, readable: guard };
}

function boundedBy(limits: DecodeLimits, packed: () => number): Transform {
  let unpacked = 0;
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      unpacked += chunk.length;
      const dense = unpacked > RATIO_FROM_BYTES && unpacked > packed() * limits.maxRatio;
      if (unpacked > limits.maxOutputBytes) done(new ScrubError("too-large"));
      else if (dense) done(new ScrubError("too-dense"));
      else done(null, chunk);
    },
  });
}

function unpackerFor(coding: string): Gunzip | Inflate | BrotliDecompress {
  switch (coding) {
    case "gzip":
    case "x-gzip":
      return createGunzip();
    case "deflate":
      return createInflate();
    case "br":
      return createBrotliDecompress();
    default:
      throw new ScrubError("unknown-coding");
  }
}
