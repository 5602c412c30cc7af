import type { IncomingMessage, ServerResponse } from "node:http";
import { type Duplex, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { decodeBody, type Scrubber, type ScrubStream } from "@sallyport/scrub";
import { endToEnd, pairs } from "./headers.ts";

const decodeLimits = { maxOutputBytes: 1024 * 1024 * 1024, maxRatio: 200 };

/** Passes an answer back. Where the sandbox has been lent secrets, it is unpacked and none of them gets through. */
export async function passAnswer(
  answer: IncomingMessage,
  response: ServerResponse,
  scrubber: Scrubber,
): Promise<void> {
  const status = answer.statusCode ?? 502;
  if (scrubber.empty) {
    response.writeHead(status, endToEnd(answer.rawHeaders));
    await pipeline(answer, response);
    return;
  }
  const bodiless = response.req.method === "HEAD" || status === 204 || status === 304;
  const decoder = bodiless ? undefined : decodeBody(answer.headers["content-encoding"], decodeLimits);
  // Of what was unpacked and may change its length, these would lie.
  const without = ["content-length", "content-encoding", "content-md5", "digest", "accept-ranges"];
  const headers = [...pairs(endToEnd(answer.rawHeaders, without))];
  response.writeHead(
    status,
    headers.flatMap(([name, value]) => [name, scrubber.text(value)]),
  );
  const json = /json|event-stream/i.test(answer.headers["content-type"] ?? "");
  const stream = scrubber.stream(json ? "json" : "text");
  if (decoder === undefined) {
    await pump(answer, stream, response);
    return;
  }
  await Promise.all([pipeline(answer, decoder.writable), pump(decoder.readable, stream, response)]);
}

const MOST_WAITING = 256 * 1024;

/** What comes in one turn of the loop leaves in one write: TLS brings a large body in pieces of 16 KiB. */
function pump(from: Readable, stream: ScrubStream, to: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting: Uint8Array[] = [];
    let size = 0;
    let last = false;
    const flush = () => {
      if (to.destroyed) return;
      const piece = waiting.length === 1 ? waiting[0] : Buffer.concat(waiting);
      [waiting, size] = [[], 0];
      if (last) to.end(piece);
      else if (to.write(piece)) from.resume();
      else from.pause();
    };
    const add = (clean: Uint8Array) => {
      if (clean.length === 0) return;
      if (size === 0) setImmediate(flush);
      waiting.push(clean);
      size += clean.length;
      if (size > MOST_WAITING) from.pause();
    };
    from.on("data", (chunk: Uint8Array) => add(stream.push(chunk)));
    to.on("drain", () => from.resume());
    from.once("end", () => {
      last = true;
      const rest = stream.end();
      if (rest.length > 0) add(rest);
      else if (size === 0) to.end();
    });
    from.once("error", reject);
    from.once("close", () => from.readableEnded || reject(new Error("the answer broke off")));
    to.once("finish", resolve);
    to.once("close", () => {
      if (to.writableFinished) return;
      from.destroy();
      reject(new Error("nobody waits for the answer any more"));
    });
  });
}

/** Passes a request's body on until a placeholder shows in it: bodies are bound to no credential. */
export function searchingBody(finder: Scrubber, found: () => Error): Duplex {
  const stream = finder.stream("text");
  return new Transform({
    transform(chunk: Uint8Array, _encoding, done) {
      const clean = stream.push(chunk);
      if (stream.found > 0) done(found());
      else done(null, clean);
    },
    flush(done) {
      const clean = stream.end();
      if (stream.found > 0) done(found());
      else done(null, clean);
    },
  });
}
