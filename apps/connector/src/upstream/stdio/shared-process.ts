import { ServiceError } from "@sallyport/contracts";
import type { UpstreamCall, UpstreamReply, UpstreamRequest } from "@sallyport/gate";
import type { Scrubber } from "@sallyport/scrub";
import type { Child, ChildEvents } from "./child.ts";
import { type ChildMessage, SUBSCRIPTION_KEY } from "./child-message.ts";
import { notifyCancelled, refuseRequest, requestsOf } from "./in-flight.ts";
import { placeOf, replaceAt } from "./json-places.ts";
import { Lifetime } from "./lifetime.ts";
import type { StdioLimits } from "./limits.ts";
import { oneLine } from "./one-line.ts";
import { PostReply } from "./post-reply.ts";
import { accepted, badRequest } from "./refusals.ts";
import { withTrace } from "./trace-meta.ts";

const METHOD_NOT_FOUND = -32601;

/** 2026-07-28, Streamable HTTP: errors about the request itself have a status of their own. */
const statusOf = new Map([
  [-32700, 400],
  [-32600, 400],
  [METHOD_NOT_FOUND, 404],
  [-32020, 400],
  [-32021, 400],
  [-32022, 400],
]);

const ID = ["id"];
const PROGRESS_ASKED = ["params", "_meta", "progressToken"];
const PROGRESS = ["params", "progressToken"];
const SUBSCRIPTIONS = [
  ["params", "_meta", SUBSCRIPTION_KEY],
  ["result", "_meta", SUBSCRIPTION_KEY],
];

interface InFlight {
  readonly reply: PostReply;
  /** As the agent wrote them: they go back byte for byte. */
  readonly id: Uint8Array;
  readonly progressToken: Uint8Array | undefined;
  readonly done: () => void;
}

export interface SharedProcessOptions {
  readonly server: string;
  readonly limits: StdioLimits;
  readonly scrubber: Scrubber | undefined;
  readonly leaseId: string | undefined;
  readonly leaseExpiresAt: number | undefined;
  start(events: ChildEvents): Child;
  started(): void;
  retired(): void;
  over(failure: ServiceError | undefined): void;
}

/**
 * The process of one agent on the stateless wire (2026-07-28). Its requests come from clients that know nothing of each
 * other and count from the same number, so each gets an id, and a progress token, of ours towards the server. Only these
 * few bytes of a message are changed.
 */
export class SharedProcess {
  readonly scrubber: Scrubber | undefined;
  readonly leaseId: string | undefined;
  readonly #options: SharedProcessOptions;
  readonly #child: Child;
  readonly #lifetime: Lifetime;
  readonly #inFlight = new Map<number, InFlight>();
  readonly #stalled = new Set<number>();
  #count = 0;
  #answered = false;
  #over = false;

  constructor(options: SharedProcessOptions) {
    this.#options = options;
    this.scrubber = options.scrubber;
    this.leaseId = options.leaseId;
    const { server, limits } = options;
    this.#lifetime = new Lifetime(limits, options.leaseExpiresAt, {
      idle: () => this.end(new ServiceError("unavailable", `${server}: the process was not used`)),
      retire: () => options.retired(),
      spent: () => this.end(new ServiceError("unavailable", `${server}: the process's credential has ended`)),
    });
    this.#child = options.start({
      message: (message) => this.#message(message),
      failed: (error) => this.#close(error, error),
    });
  }

  post(request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
    const [message] = request.messages;
    const [asked] = requestsOf(request.messages);
    if (message === undefined || request.messages.length > 1 || message.kind === "response") {
      badRequest(reply, "A POST of this revision holds one request or one notification");
      return noCall;
    }
    if (asked === undefined) {
      // A cancellation names an id that only means something in its own HTTP request, which is closed instead.
      if (message.kind === "notification" && message.method !== "notifications/cancelled")
        this.#child.write(oneLine(request.body));
      this.#lifetime.use()();
      accepted(reply);
      return noCall;
    }
    const { server, limits } = this.#options;
    if (this.#inFlight.size >= limits.maxInFlight) {
      reply.fail(new ServiceError("exhausted", `${server}: too many requests in flight`), false);
      return noCall;
    }
    return this.#ask(withTrace(oneLine(request.body), request.trace), reply);
  }

  end(why: ServiceError): void {
    this.#close(why, undefined);
  }

  #ask(body: Uint8Array, reply: UpstreamReply): UpstreamCall {
    const id = placeOf(body, ID);
    const token = placeOf(body, PROGRESS_ASKED);
    if (id === undefined || id === "twice" || token === "twice") {
      badRequest(reply, "A request has one id");
      return noCall;
    }
    this.#count += 1;
    const number = this.#count;
    const value = Buffer.from(String(number));
    const places = token === undefined ? [id] : [id, token];
    if (
      !this.#child.write(
        replaceAt(
          body,
          places.map((place) => ({ place, value })),
        ),
      )
    ) {
      const { server } = this.#options;
      reply.fail(new ServiceError("unavailable", `${server} does not read what it is sent`), false);
      return noCall;
    }
    const inFlight: InFlight = {
      reply: new PostReply(reply, { single: true, stalled: (stalled) => this.#stall(number, stalled) }),
      id: body.slice(id.start, id.end),
      progressToken: token && body.slice(token.start, token.end),
      done: this.#lifetime.use(),
    };
    this.#inFlight.set(number, inFlight);
    return {
      cancel: () => {
        inFlight.reply.abandon();
        if (!this.#inFlight.delete(number)) return;
        this.#child.write(notifyCancelled(number));
        inFlight.done();
      },
      resume: () => inFlight.reply.resume(),
    };
  }

  #message(message: ChildMessage): void {
    switch (message.kind) {
      case "response":
        this.#answer(message);
        break;
      case "notification":
        this.#notify(message);
        break;
      case "request":
        // Servers ask nothing on this wire; one that does is told, or it would wait.
        this.#child.write(
          refuseRequest(message.id, {
            code: METHOD_NOT_FOUND,
            message: "A client of this revision is not asked",
          }),
        );
    }
  }

  #answer({ id, error, bytes }: Extract<ChildMessage, { kind: "response" }>): void {
    if (!this.#answered) {
      this.#answered = true;
      this.#options.started();
    }
    const inFlight = typeof id === "number" ? this.#inFlight.get(id) : undefined;
    if (inFlight === undefined || typeof id !== "number") return; // given up by the agent
    this.#inFlight.delete(id);
    const status = error === undefined ? 200 : (statusOf.get(error) ?? 200);
    inFlight.reply.answer(asAsked(bytes, inFlight), { last: true, status });
    inFlight.done();
  }

  /** By its progress token, by its subscription; what belongs to nothing goes to the only request there is, or nowhere. */
  #notify({ progressToken, subscription, bytes }: Extract<ChildMessage, { kind: "notification" }>): void {
    const named = progressToken ?? subscription;
    const [only] = this.#inFlight.size === 1 ? this.#inFlight.values() : [];
    const inFlight = named === undefined ? only : this.#inFlight.get(named as number);
    inFlight?.reply.event(asAsked(bytes, inFlight));
  }

  #stall(number: number, stalled: boolean): void {
    if (stalled) this.#stalled.add(number);
    else this.#stalled.delete(number);
    if (this.#stalled.size > 0) this.#child.pause();
    else this.#child.resume();
  }

  #close(why: ServiceError, failure: ServiceError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#lifetime.close();
    this.#child.stop();
    const reached = this.#child.pid !== undefined;
    for (const { reply } of this.#inFlight.values()) reply.fail(why, reached);
    this.#inFlight.clear();
    this.#options.over(failure);
  }
}

const noCall: UpstreamCall = { cancel: () => undefined, resume: () => undefined };

/** With the id and the token that the agent gave. */
function asAsked(bytes: Uint8Array, { id, progressToken }: InFlight): Uint8Array {
  const changes = [
    { path: ID, value: id },
    ...SUBSCRIPTIONS.map((path) => ({ path, value: id })),
    ...(progressToken === undefined ? [] : [{ path: PROGRESS, value: progressToken }]),
  ].flatMap(({ path, value }) => {
    const place = placeOf(bytes, path);
    return place === undefined || place === "twice" ? [] : [{ place, value }];
  });
  return replaceAt(bytes, changes);
}
