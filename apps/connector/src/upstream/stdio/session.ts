import { randomBytes } from "node:crypto";
import { ServiceError } from "@sallyport/contracts";
import type { UpstreamCall, UpstreamReply, UpstreamRequest } from "@sallyport/gate";
import type { Message, RequestId } from "@sallyport/mcp";
import type { Scrubber } from "@sallyport/scrub";
import type { Child, ChildEvents } from "./child.ts";
import type { ChildMessage } from "./child-message.ts";
import { notifyCancelled, progressTokenOf, type Request, refuseRequest, requestsOf } from "./in-flight.ts";
import { elements } from "./json-places.ts";
import { Lifetime } from "./lifetime.ts";
import type { StdioLimits } from "./limits.ts";
import { oneLine } from "./one-line.ts";
import { PostReply } from "./post-reply.ts";
import { accepted, badRequest, conflict } from "./refusals.ts";
import { Standalone } from "./standalone.ts";
import { withTrace } from "./trace-meta.ts";

const INTERNAL_ERROR = -32603;

/** A POST whose requests are not all answered. */
interface Post {
  readonly reply: PostReply;
  /** By id: the progress token, if it has one. */
  readonly pending: Map<RequestId, RequestId | undefined>;
  readonly done: () => void;
}

export interface SessionOptions {
  readonly server: string;
  readonly limits: StdioLimits;
  readonly scrubber: Scrubber | undefined;
  readonly leaseExpiresAt: number | undefined;
  start(events: ChildEvents): Child;
  /** It answered `initialize`: it was started well. */
  started(): void;
  /** It takes no more calls; those in flight may go on. */
  retired(): void;
  /** It is over. `failure` when nobody asked for it. Once. */
  over(failure: ServiceError | undefined): void;
}

/**
 * A session of the wire up to 2025-11-25 (Streamable HTTP with `Mcp-Session-Id`), with a process of its own behind it.
 * Ids pass unchanged. A server over stdio does not say which request a message of its belongs to: progress goes by its
 * token, all else to the GET stream, or to the newest open POST, or waits for a GET stream.
 */
export class StdioSession {
  /** Unguessable; the agent gets it sealed. */
  readonly id = randomBytes(24).toString("base64url");
  readonly scrubber: Scrubber | undefined;
  readonly #options: SessionOptions;
  readonly #child: Child;
  readonly #lifetime: Lifetime;
  readonly #standalone: Standalone;
  readonly #posts = new Set<Post>();
  readonly #inFlight = new Map<RequestId, Post>();
  readonly #stalled = new Set<Post>();
  #starting: NodeJS.Timeout | undefined;
  #initialize: RequestId | undefined;
  #over = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.scrubber = options.scrubber;
    const { limits } = options;
    this.#standalone = new Standalone(limits, ({ id }) =>
      this.#tell(refuseRequest(id, { code: INTERNAL_ERROR, message: "The client does not listen" })),
    );
    this.#lifetime = new Lifetime({ ...limits, idleMs: limits.sessionIdleMs }, options.leaseExpiresAt, {
      idle: () => this.end(),
      retire: () => this.#retire(),
      spent: () =>
        this.end(new ServiceError("unavailable", `${options.server}: the session's credential has ended`)),
    });
    this.#child = options.start({
      message: (message) => (message.kind === "response" ? this.#answer(message) : this.#route(message)),
      failed: (error) => this.#fail(error),
    });
    this.#starting = setTimeout(
      () => this.#fail(new ServiceError("timeout", `${options.server} did not answer initialize in time`)),
      limits.startMs,
    );
  }

  /** A POST of this session, or the one that begins it. */
  post(request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
    const requests = requestsOf(request.messages);
    const twice = requests.find(({ id }) => this.#inFlight.has(id));
    if (twice !== undefined) {
      badRequest(reply, "A request with this id is in flight in this session", twice.id);
      return noCall;
    }
    if (this.#inFlight.size + requests.length > this.#options.limits.maxInFlight) {
      reply.fail(
        new ServiceError("exhausted", `${this.#options.server}: too many requests in one session`),
        false,
      );
      return noCall;
    }
    const written = linesOf(request.body).map((line, index) =>
      this.#child.write(request.messages[index]?.kind === "request" ? withTrace(line, request.trace) : line),
    );
    if (written.includes(false)) {
      reply.fail(
        new ServiceError("unavailable", `${this.#options.server} does not read what it is sent`),
        written.includes(true),
      );
      return noCall;
    }
    if (requests.length === 0) {
      this.#lifetime.use()();
      accepted(reply);
      for (const message of request.messages) this.#notified(message);
      return noCall;
    }
    return this.#await(requests, reply);
  }

  /** The session's GET stream. */
  listen(reply: UpstreamReply): UpstreamCall {
    if (this.#standalone.isOpen) {
      conflict(reply);
      return noCall;
    }
    const done = this.#lifetime.use();
    this.#standalone.open(reply);
    return {
      cancel: () => {
        this.#standalone.detach(reply);
        done();
      },
      resume: () => this.#standalone.resume(reply),
    };
  }

  /** In order: by DELETE, because it is not used, or because its credential ends. */
  end(why = new ServiceError("unavailable", `${this.#options.server}: the session has ended`)): void {
    this.#close(why, undefined);
  }

  #await(requests: readonly Request[], reply: UpstreamReply): UpstreamCall {
    const begins = requests.find(({ method }) => method === "initialize" && this.#starting !== undefined);
    if (begins) this.#initialize = begins.id;
    const post: Post = {
      reply: new PostReply(reply, {
        ...(begins ? { headers: [["mcp-session-id", this.id]] } : {}),
        single: requests.length === 1,
        stalled: (stalled) => this.#stall(post, stalled),
      }),
      pending: new Map(requests.map((request) => [request.id, progressTokenOf(request)])),
      done: this.#lifetime.use(),
    };
    this.#posts.add(post);
    for (const { id } of requests) this.#inFlight.set(id, post);
    return {
      cancel: () => this.#abandon(post),
      resume: () => post.reply.resume(),
    };
  }

  #answer({ id, bytes, error }: Extract<ChildMessage, { kind: "response" }>): void {
    const post = this.#inFlight.get(id);
    if (post === undefined) return; // given up by the agent
    const first = this.#starting !== undefined && id === this.#initialize;
    if (first) {
      clearTimeout(this.#starting);
      this.#starting = undefined;
      this.#options.started();
    }
    this.#inFlight.delete(id);
    post.pending.delete(id);
    const last = post.pending.size === 0;
    if (first && error !== undefined) {
      // Refused: there is no session, and its name is told to nobody.
      post.reply.withhold();
      post.reply.answer(bytes, { last });
      this.end();
      return;
    }
    post.reply.answer(bytes, { last });
    if (last) this.#forget(post);
  }

  #route(message: Exclude<ChildMessage, { kind: "response" }>): void {
    const progress =
      message.kind === "notification" && message.method === "notifications/progress"
        ? [...this.#posts].find((post) =>
            [...post.pending.values()].some((token) => token === message.progressToken),
          )
        : undefined;
    const post = progress ?? (this.#standalone.isOpen ? undefined : [...this.#posts].at(-1));
    if (post) post.reply.event(message.bytes);
    else this.#standalone.send(message);
  }

  /** The agent took back a request by a message: the server owes no answer to it, and the POST that waits for one ends. */
  #notified(message: Message): void {
    if (message.kind !== "notification" || message.method !== "notifications/cancelled") return;
    const id = message.params.requestId as RequestId;
    const post = this.#inFlight.get(id);
    if (post === undefined || this.#starting !== undefined) return;
    this.#inFlight.delete(id);
    post.pending.delete(id);
    if (post.pending.size > 0) return;
    post.reply.end();
    this.#forget(post);
  }

  /** The agent has gone: the server is told, and late answers find nobody. */
  #abandon(post: Post): void {
    post.reply.abandon();
    if (!this.#posts.has(post)) return;
    const begun = this.#starting === undefined;
    for (const id of post.pending.keys()) {
      this.#inFlight.delete(id);
      if (begun && !this.#over) this.#tell(notifyCancelled(id));
    }
    this.#forget(post);
    // `initialize` cannot be cancelled, and nobody will ever know this session's name.
    if (!begun) this.end();
  }

  #tell(message: Uint8Array): void {
    // A server that does not read is stopped by what is asked of it next.
    this.#child.write(message);
  }

  #stall(post: Post, stalled: boolean): void {
    if (stalled) this.#stalled.add(post);
    else this.#stalled.delete(post);
    if (this.#stalled.size > 0) this.#child.pause();
    else this.#child.resume();
  }

  #forget(post: Post): void {
    this.#posts.delete(post);
    post.done();
  }

  #retire(): void {
    this.#standalone.close();
    this.#options.retired();
  }

  #fail(error: ServiceError): void {
    this.#close(error, error);
  }

  #close(why: ServiceError, failure: ServiceError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#starting);
    this.#lifetime.close();
    this.#child.stop();
    this.#standalone.close();
    for (const post of this.#posts) post.reply.fail(why, this.#child.pid !== undefined);
    this.#posts.clear();
    this.#inFlight.clear();
    this.#options.over(failure);
  }
}

const noCall: UpstreamCall = { cancel: () => undefined, resume: () => undefined };

/** A batch (2025-03-26) goes message by message: few servers over stdio read arrays. */
function linesOf(body: Uint8Array): readonly Uint8Array[] {
  const line = oneLine(body);
  return elements(line) ?? [line];
}
