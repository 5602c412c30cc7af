import type { IncomingMessage, ServerResponse } from "node:http";
import { type Duplex, type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { decodeBody, type Scrubber, type ScrubStream } from "@sallyport/scrub";
import { DenialError } from "./denial.ts";
import { endToEnd } from "./headers.ts";

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
  const headers = endToEnd(answer.rawHeaders, UNTRUE);
  for (let at = 1; at < headers.length; at += 2) headers[at] = scrubber.text(headers[at] ?? "");
  const json = /json|event-stream/i.test(answer.headers["content-type"] ?? "");
  const stream = scrubber.stream(json ? "json" : "text");
  const begin = (size: number | undefined) => {
    if (!bodiless && size !== undefined) headers.push("content-length", String(size));
    response.writeHead(status, headers);
  };
  if (decoder === undefined) {
    await pump(answer, stream, { response, begin });
    return;
  }
  await Promise.all([
    pipeline(answer, decoder.writable),
    pump(decoder.readable, stream, { response, begin }),
  ]);
}

/** Of what was unpacked and may change its length, these would lie. */
const UNTRUE = ["content-length", "content-encoding", "content-md5", "digest", "accept-ranges"];

const MOST_WAITING = 256 * 1024;

interface Answering {
  readonly response: ServerResponse;
  /** Writes the head, with the length of the body where that is known. */
  readonly begin: (size: number | undefined) => void;
}

/**
 * What comes in one turn of the loop leaves in one write: TLS brings a large body in pieces of 16 KiB. A body that came in
 * one turn altogether leaves with its length.
 */
function pump(from: Readable, stream: ScrubStream, { response: to, begin }: Answering): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting: Uint8Array[] = [];
    let size = 0;
    let last = false;
    let scheduled = false;
    const flush = () => {
      scheduled = false;
      if (to.destroyed || to.writableEnded) return; // refused in the meantime
      if (!to.headersSent) begin(last ? size : undefined);
      const final = last ? waiting.pop() : undefined;
      let room = true;
      for (const piece of waiting) room = to.write(piece);
      waiting = [];
      size = 0;
      if (last) to.end(final);
      else if (room) from.resume();
      else from.pause();
    };
    const add = (clean: Uint8Array) => {
      if (clean.length === 0) return;
      waiting.push(clean);
      size += clean.length;
      if (size > MOST_WAITING) from.pause();
    };
    const schedule = () => {
      if (!scheduled) setImmediate(flush);
      scheduled = true;
    };
    const fail = (cause?: unknown) => {
      const reason = "the server's answer broke off, or could not be unpacked";
      reject(new DenialError({ code: "unavailable", reason }, { cause }));
    };
    from.on("data", (chunk: Uint8Array) => {
      add(stream.push(chunk));
      schedule();
    });
    to.on("drain", () => from.resume());
    from.on("end", () => {
      last = true;
      add(stream.end());
      schedule();
    });
    from.on("error", fail);
    from.on("close", () => from.readableEnded || fail());
    to.on("finish", resolve);
    to.on("close", () => {
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
