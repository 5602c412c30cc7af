import type { Incoming } from "@sallyport/bus";
import { asServiceError, type ReplyHead, ServiceError } from "@sallyport/contracts";
import { forwardableResponseHeaders, type Header } from "@sallyport/egress";
import { type Answer, filterToolsList, filterToolsListEvent, SseSplitter } from "@sallyport/mcp";
import { type BodyDecoder, decodeBody, type Scrubber, type ScrubStream } from "@sallyport/scrub";
import type { UpstreamReply } from "./upstream.ts";

const decodeLimits = { maxOutputBytes: 64 * 1024 * 1024, maxRatio: 200 };
/** A list of tools is read whole to be filtered. */
const maxListBytes = 4 * 1024 * 1024;

export interface ReplyOptions {
  exchange: Incoming;
  /** Knows every active secret of the call; undefined when no credential is used. */
  scrubber: Scrubber | undefined;
  /** For an answer that may hold a list of tools: which may be shown. */
  visible: ((tool: string) => boolean) | undefined;
  /** The name under which the agent gets to know the upstream's session. */
  sessionName(upstreamSession: string): string;
  /** The agent has taken what was sent: the upstream may go on. */
  resume(): void;
  /** The reply has failed on this side, before the upstream has said all: nobody will read the rest. */
  abandon(): void;
  /** What to answer when the upstream fails before it has said anything. */
  failure(error: ServiceError, reached: boolean): Answer;
  /** Once. */
  finished(outcome: ReplyOutcome): void;
}

export interface ReplyOutcome {
  status: number | undefined;
  bytes: number;
  redacted: number;
  error: ServiceError | undefined;
  /** The agent went before the end. */
  cancelled: boolean;
}

/**
 * The way back: headers by allowlist, body unpacked if it must be, scrubbed, `tools/list` filtered, and on under the
 * agent's credit. With no secret and no list of tools the bytes pass as they came.
 */
export class Reply implements UpstreamReply {
  readonly #options: ReplyOptions;
  #status: number | undefined;
  #scrub: ScrubStream | undefined;
  #filter: BodyFilter | undefined;
  #decoder: BodyDecoder | undefined;
  #bytes = 0;
  #isEvents = false;
  /** The last of what has gone out, while it is events: whether one of ours may follow. */
  #tail = "\n\n";
  #headed = false;
  #finished = false;

  constructor(options: ReplyOptions) {
    this.#options = options;
  }

  head(status: number, headers: readonly Header[]): void {
    const { scrubber, visible, exchange } = this.#options;
    this.#status = status;
    const type = readAs(allOf(headers, "content-type"));
    if (scrubber && !scrubber.empty) this.#scrub = scrubber.stream(type === "other" ? "text" : "json");
    if (visible && type === "unclear") {
      this.#refuse(unreadableList());
      return;
    }
    if (visible && type !== "other") this.#filter = bodyFilter(visible, type === "events");
    try {
      this.#decode(allOf(headers, "content-encoding"));
    } catch (error) {
      this.#refuse(
        new ServiceError("internal", "the upstream's reply is packed in a way that cannot be checked", {
          cause: error,
        }),
      );
      return;
    }
    this.#isEvents = type === "events";
    this.#headed = true;
    exchange.reply({ status, headers: this.#headers(headers) } satisfies ReplyHead);
  }

  data(chunk: Uint8Array): boolean {
    if (this.#finished) return true;
    if (this.#decoder) return this.#decoder.writable.write(chunk);
    return this.#pass(chunk);
  }

  end(): void {
    if (this.#decoder) this.#decoder.writable.end();
    else this.#last();
  }

  /** The upstream has failed. Among events that is one more event, so that the agent is told what happened, and where. */
  fail(error: ServiceError, reached = true): void {
    if (this.#finished) return;
    const event = this.#lastEvent(error, reached);
    if (event === undefined) {
      this.#fail(error, reached);
      return;
    }
    this.#write(event);
    this.#options.exchange.end();
    this.#finish(error);
  }

  /** The agent has gone. */
  cancelled(): void {
    this.#finish(undefined, true);
  }

  #headers(headers: readonly Header[]): [string, string][] {
    const kept: [string, string][] = [];
    for (const [name, value] of forwardableResponseHeaders(headers)) {
      if (name.toLowerCase() === "mcp-session-id")
        kept.push(["mcp-session-id", this.#options.sessionName(value)]);
      else kept.push([name, this.#options.scrubber?.text(value) ?? value]);
    }
    return kept;
  }

  #decode(encoding: string | undefined): void {
    const decoder = decodeBody(encoding, decodeLimits);
    if (decoder === undefined) return;
    this.#decoder = decoder;
    const { readable, writable } = decoder;
    readable.on("data", (chunk: Uint8Array) => {
      if (!this.#pass(chunk)) readable.pause();
    });
    readable.on("end", () => this.#last());
    readable.on("error", (error) =>
      this.#refuse(
        new ServiceError("internal", "the upstream's packed reply cannot be read", { cause: error }),
      ),
    );
    writable.on("drain", () => this.#options.resume());
  }

  /** There is credit again. */
  drained(): void {
    if (this.#decoder) this.#decoder.readable.resume();
    else this.#options.resume();
  }

  #pass(chunk: Uint8Array): boolean {
    try {
      const clean = this.#scrub ? this.#scrub.push(chunk) : chunk;
      return this.#write(this.#filter ? this.#filter.push(clean) : clean);
    } catch (error) {
      this.#refuse(asServiceError(error));
      return true;
    }
  }

  #last(): void {
    if (this.#finished) return;
    try {
      const rest = this.#scrub?.end() ?? nothing;
      if (this.#filter) {
        this.#write(this.#filter.push(rest));
        this.#write(this.#filter.end());
      } else this.#write(rest);
    } catch (error) {
      this.#fail(asServiceError(error));
      return;
    }
    this.#options.exchange.end();
    this.#finish(undefined);
  }

  #write(bytes: Uint8Array): boolean {
    this.#bytes += bytes.length;
    if (this.#isEvents) this.#tail = lastTwo(this.#tail, bytes);
    return bytes.length === 0 || this.#options.exchange.write(bytes);
  }

  /** The upstream knows nothing of it: left alone, it would be read for as long as it likes to write. */
  #refuse(error: ServiceError): void {
    if (this.#finished) return;
    this.#fail(error);
    this.#options.abandon();
  }

  #fail(error: ServiceError, reached = true): void {
    // The grant has ended: that is the agent's affair and not the upstream's failure.
    if (this.#headed || error.code === "unauthenticated") this.#options.exchange.fail(error);
    else answer(this.#options.exchange, this.#options.failure(error, reached));
    this.#finish(error);
  }

  /** Undefined where none may follow: within an event it would be taken for a part of it. */
  #lastEvent(error: ServiceError, reached: boolean): Uint8Array | undefined {
    if (!this.#headed || !this.#isEvents || this.#tail !== "\n\n" || error.code === "unauthenticated")
      return undefined;
    const { status, body } = this.#options.failure(error, reached);
    // Any other status: there is no id to answer under, as on a GET stream, which a cut tells enough.
    return status === 200 ? Buffer.from(`event: message\ndata: ${body}\n\n`) : undefined;
  }

  #finish(error: ServiceError | undefined, cancelled = false): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#options.finished({
      status: this.#status,
      bytes: this.#bytes,
      redacted: this.#scrub?.found ?? 0,
      error,
      cancelled,
    });
  }
}

/** A whole answer of ours in place of the upstream's. */
export function answer(exchange: Incoming, { status, headers, body }: Answer): void {
  exchange.reply({ status, headers: Object.entries(headers) } satisfies ReplyHead);
  exchange.write(Buffer.from(body));
  exchange.end();
}

const nothing = new Uint8Array(0);

function lastTwo(before: string, bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(Math.max(0, bytes.length - 4))).toString("latin1");
  return (before + text).replaceAll("\r\n", "\n").slice(-2);
}

/** All that the headers of this name say: two of them are one list (RFC 9110, section 5.3). */
function allOf(headers: readonly Header[], name: string): string | undefined {
  const values = headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(", ");
}

/**
 * As what a client will read a body. The SDKs look for the name of a type anywhere in the header: one that another
 * client, or this one, may take for something else is unclear.
 */
function readAs(contentType = ""): "json" | "events" | "unclear" | "other" {
  const header = contentType.toLowerCase();
  const type = header.split(";")[0]?.trim() ?? "";
  const [json, events] = [header.includes("json"), header.includes("event-stream")];
  if (json && events) return "unclear";
  if (events) return type === "text/event-stream" ? "events" : "unclear";
  if (json) return /^[\w.+-]+\/([\w.-]+\+)?json$/.test(type) ? "json" : "unclear";
  return "other";
}

const unreadableList = () =>
  new ServiceError("internal", "the upstream's list of tools cannot be read, and is not shown");

interface BodyFilter {
  push(chunk: Uint8Array): Uint8Array;
  end(): Uint8Array;
}

function bodyFilter(visible: (tool: string) => boolean, isEvents: boolean): BodyFilter {
  const limits = { maxBytes: maxListBytes, maxKeys: 200_000 };
  if (isEvents) {
    const splitter = new SseSplitter({ maxEventBytes: maxListBytes });
    const filterEvent = (raw: Uint8Array) => {
      const filtered = filterToolsListEvent(raw, visible, limits);
      if (!filtered.ok) throw unreadableList();
      return filtered.bytes;
    };
    return {
      push: (chunk) => {
        const step = splitter.push(chunk);
        if (!step.ok) throw unreadableList();
        const events = step.events.map(({ raw }) => filterEvent(raw));
        return events.length === 1 ? (events[0] as Uint8Array) : Buffer.concat(events);
      },
      // Without its blank line no client should read it, and some may.
      end: () => filterEvent(splitter.end()),
    };
  }
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  return {
    push: (chunk) => {
      bytes += chunk.length;
      if (bytes > maxListBytes) throw unreadableList();
      chunks.push(chunk);
      return nothing;
    },
    end: () => {
      if (bytes === 0) return nothing;
      const filtered = filterToolsList(Buffer.concat(chunks), visible, limits);
      if (!filtered.ok) throw unreadableList();
      return filtered.bytes;
    },
  };
}
