import type { ServerResponse } from "node:http";
import { type Duplex, Transform, type TransformCallback } from "node:stream";
import { pipeline } from "node:stream/promises";
import { decodeBody, type Scrubber, type ScrubStream } from "@sallyport/scrub";
import { type Answer, type Source, sourceOf } from "./answer.ts";
import { DenialError } from "./denial.ts";
import { endToEnd, fieldValue } from "./headers.ts";
import type { Session } from "./session.ts";

const decodeLimits = { maxOutputBytes: 1024 * 1024 * 1024, maxRatio: 200 };

/** Passes an answer back. Where the sandbox has been lent secrets, it is unpacked and none of them gets through. */
export async function passAnswer(
  answer: Answer,
  response: ServerResponse,
  { secrets: { scrubber }, deps }: Session,
): Promise<void> {
  const { status, rawHeaders } = answer.head;
  const bodiless = response.req.method === "HEAD" || status === 204 || status === 304;
  const looks = !scrubber.empty;
  const decoder =
    bodiless || !looks ? undefined : decodeBody(fieldValue(rawHeaders, "content-encoding"), decodeLimits);
  const headers = endToEnd(rawHeaders, looks ? UNTRUE : []);
  for (let at = 1; looks && at < headers.length; at += 2) headers[at] = scrubber.text(headers[at] ?? "");
  const json = /json|event-stream/i.test(fieldValue(rawHeaders, "content-type") ?? "");
  const stream = scrubber.stream(json ? "json" : "text");
  const begin = (size: number | undefined) => {
    if (looks && !bodiless && size !== undefined) headers.push("content-length", String(size));
    response.writeHead(status, headers);
  };
  const answering = { response, begin, idleMs: deps.limits.idleMs };
  if (decoder === undefined) {
    await pump(answer, stream, answering);
    return;
  }
  await Promise.all([
    pipeline(answer.readable(), decoder.writable),
    pump(sourceOf(decoder.readable), stream, answering),
  ]);
}

/** Of what was unpacked and may change its length, these would lie. */
const UNTRUE = ["content-length", "content-encoding", "content-md5", "digest", "accept-ranges"];

const MOST_WAITING = 256 * 1024;

interface Answering {
  readonly response: ServerResponse;
  /** Writes the head, with the length of the body where that is known. */
  readonly begin: (size: number | undefined) => void;
  /** How long a client may read nothing. */
  readonly idleMs: number;
}

/**
 * What comes in one turn of the loop leaves in one write: TLS brings a large body in pieces of 16 KiB. A body that came in
 * one turn altogether leaves with its length.
 */
function pump(from: Source, stream: ScrubStream, { response: to, begin, idleMs }: Answering): Promise<void> {
  return new Promise((resolve, reject) => {
    let waiting: Uint8Array[] = [];
    let size = 0;
    let last = false;
    let scheduled = false;
    let patience: NodeJS.Timeout | undefined;
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
      else wait();
    };
    const wait = () => {
      from.pause();
      patience ??= setTimeout(() => to.destroy(), idleMs);
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
    to.on("drain", () => {
      clearTimeout(patience);
      patience = undefined;
      from.resume();
    });
    from.pour({
      data(chunk) {
        add(stream.push(chunk));
        schedule();
      },
      end() {
        last = true;
        add(stream.end());
        flush();
      },
      fail,
    });
    to.on("finish", resolve);
    to.on("close", () => {
      clearTimeout(patience);
      if (to.writableFinished) return;
      from.cancel();
      reject(new Error("nobody waits for the answer any more"));
    });
  });
}

/** Passes a request's body on until a placeholder shows in it: bodies are bound to no credential. */
export function searchingBody(finder: Scrubber, found: () => Promise<Error>): Duplex {
  const stream = finder.stream("text");
  const pass = (clean: Uint8Array, done: TransformCallback) => {
    if (stream.found > 0) void found().then(done);
    else done(null, clean);
  };
  return new Transform({
    transform: (chunk: Uint8Array, _encoding, done) => pass(stream.push(chunk), done),
    flush: (done) => pass(stream.end(), done),
  });
}
