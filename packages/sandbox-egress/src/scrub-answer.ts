import type { IncomingMessage, ServerResponse } from "node:http";
import { type Duplex, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { decodeBody, type Scrubber } from "@sallyport/scrub";
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
  const clean = scrubbing(scrubber, /json|event-stream/i.test(answer.headers["content-type"] ?? ""));
  if (decoder === undefined) {
    await pipeline(answer, clean, response);
    return;
  }
  await Promise.all([pipeline(answer, decoder.writable), pipeline(decoder.readable, clean, response)]);
}

function scrubbing(scrubber: Scrubber, json: boolean): Duplex {
  const stream = scrubber.stream(json ? "json" : "text");
  return new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => done(null, stream.push(chunk)),
    flush: (done) => done(null, stream.end()),
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
