import type { Upstream, UpstreamTarget } from "@sallyport/egress";
import type { z } from "zod";
import { type ApiAnswer, askUpstream, jsonOf } from "./answer-body.ts";
import { ApiError } from "./api-error.ts";
import { Beat, EventPage, PolledItem, RemoteSession, readEvent, type SessionEvent } from "./api-shapes.ts";
import { backoffMs, pause } from "./backoff.ts";
import { eventsOf } from "./event-stream.ts";

const pollBlockMs = 999;
const callMs = 30_000;
/** A stream that says nothing for so long may be dead: it is opened again, and the history read. */
const quietMs = 300_000;
const maxAnswerBytes = 32 * 1024 * 1024;
const maxPages = 100;
const retries = 2;
const between = { firstMs: 500, mostMs: 8_000 };

export interface WorkApiDeps {
  environment: string;
  target: UpstreamTarget;
  upstream: Upstream;
  /** Read for each call: a rotated key is used at once. */
  environmentKey(): Promise<string>;
  worker: string;
  version: string;
}

/** One item's calls, under its own token where it has one. */
export interface ItemApi {
  /** Throws ApiError `precondition` when the lease is lost. Asked again with the same `expected` where no answer came. */
  heartbeat(expected: string, signal: AbortSignal): Promise<z.output<typeof Beat>>;
  stop(): Promise<void>;
  session(id: string, signal: AbortSignal): Promise<z.output<typeof RemoteSession>>;
  /** From now on. Resolves when the stream is open. */
  stream(id: string, signal: AbortSignal): Promise<AsyncGenerator<SessionEvent, void, undefined>>;
  /** From the first event on, all of them. */
  history(id: string, signal: AbortSignal): AsyncGenerator<SessionEvent, void, undefined>;
  /** Posts one result. Not asked again here: whoever sends knows for how long. */
  answer(id: string, result: object, signal: AbortSignal): Promise<void>;
}

/** Anthropic's environment work API as a worker calls it. Rejects with ApiError. */
export class WorkApi {
  readonly #deps: WorkApiDeps;
  readonly #work: string;

  constructor(deps: WorkApiDeps) {
    this.#deps = deps;
    this.#work = `/v1/environments/${deps.environment}/work`;
  }

  async poll(signal: AbortSignal): Promise<PolledItem | undefined> {
    const headers = ["anthropic-worker-id", this.#deps.worker];
    const path = `${this.#work}/poll?block_ms=${pollBlockMs}`;
    const answer = await this.#json({ method: "GET", path, headers }, signal);
    return answer === null ? undefined : shaped(PolledItem, answer);
  }

  async ack(item: PolledItem, signal: AbortSignal): Promise<void> {
    await this.#again(signal, () =>
      this.#json({ method: "POST", path: `${this.#work}/${item.id}/ack` }, signal),
    );
  }

  item(item: PolledItem, token: string | undefined): ItemApi {
    const work = `${this.#work}/${item.id}`;
    const ofSession = (id: string) => `/v1/sessions/${encodeURIComponent(id)}`;
    const json = (asked: Omit<Asked, "token">, signal: AbortSignal) =>
      this.#json({ ...asked, token }, signal);
    return {
      heartbeat: async (expected, signal) => {
        const path = `${work}/heartbeat?expected_last_heartbeat=${encodeURIComponent(expected)}`;
        return shaped(Beat, await this.#again(signal, () => json({ method: "POST", path }, signal)));
      },
      stop: async () => {
        const signal = AbortSignal.timeout(callMs);
        const body = '{"force":true}';
        await this.#again(signal, () => json({ method: "POST", path: `${work}/stop`, body }, signal));
      },
      session: async (id, signal) => {
        const get = () => json({ method: "GET", path: ofSession(id) }, signal);
        return shaped(RemoteSession, await this.#again(signal, get));
      },
      stream: async (id, signal) => {
        const quiet = new AbortController();
        const path = `${ofSession(id)}/events/stream`;
        const both = AbortSignal.any([signal, quiet.signal]);
        const answer = await this.#ask({ method: "GET", path, token }, both);
        if (answer.status >= 400) throw await jsonOf(answer, maxAnswerBytes).catch((error: unknown) => error);
        return eventsOf(noticed(answer.body, () => quiet.abort()));
      },
      history: (id, signal) =>
        allPages(async (page) => {
          const next = page === undefined ? "" : `&page=${encodeURIComponent(page)}`;
          const path = `${ofSession(id)}/events?limit=1000${next}`;
          return shaped(EventPage, await this.#again(signal, () => json({ method: "GET", path }, signal)));
        }),
      answer: async (id, result, signal) => {
        const body = JSON.stringify({ events: [result] });
        await json({ method: "POST", path: `${ofSession(id)}/events`, body }, signal);
      },
    };
  }

  async #json(asked: Asked, signal: AbortSignal): Promise<unknown> {
    const both = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
    return await jsonOf(await this.#ask(asked, both), maxAnswerBytes);
  }

  async #ask({ method, path, token, headers = [], body }: Asked, signal: AbortSignal): Promise<ApiAnswer> {
    const { environmentKey, target, upstream, version } = this.#deps;
    const bearer = token ?? (await environmentKey());
    if (!/^[\x21-\x7e]+$/.test(bearer)) throw new ApiError("invalid", "the environment key is not printable");
    const prefix = target.url.pathname.replace(/\/$/, "");
    const all = [
      ...["authorization", `Bearer ${bearer}`],
      ...["anthropic-beta", "managed-agents-2026-04-01", "anthropic-version", "2026-10-21"],
      ...["accept", "application/json", "user-agent", `sallyport/${version}`],
      ...(body === undefined ? [] : ["content-type", "application/json"]),
      ...headers,
    ];
    return await askUpstream(
      upstream,
      { method, path: prefix + path, headers: all, body: body ?? null },
      signal,
    );
  }

  /** Twice more where it may help, with the same words. */
  async #again<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        const passing = error instanceof ApiError && !error.fatal;
        if (!passing || attempt >= retries || signal.aborted) throw error;
        await pause(error.retryAfterMs ?? backoffMs(attempt, between), signal);
      }
    }
  }
}

interface Asked {
  method: "GET" | "POST";
  path: string;
  /** The environment key without it. */
  token?: string | undefined;
  headers?: string[];
  body?: string;
}

function shaped<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const read = schema.safeParse(value);
  if (!read.success)
    throw new ApiError("passing", "the API's answer is not understood", { cause: read.error });
  return read.data;
}

async function* allPages(
  fetchPage: (page: string | undefined) => Promise<z.output<typeof EventPage>>,
): AsyncGenerator<SessionEvent, void, undefined> {
  let page: string | undefined;
  for (let pages = 0; pages < maxPages; pages += 1) {
    const { data, next_page: next } = await fetchPage(page);
    for (const value of data) {
      const event = readEvent(value);
      if (event !== undefined) yield event;
    }
    if (next === null || next === undefined || next === page) return;
    page = next;
  }
  // A call whose result is on a page that was not read would run again.
  throw new ApiError("invalid", `the session's history has more than ${maxPages} pages`);
}

async function* noticed(body: AsyncIterable<Uint8Array>, tooQuiet: () => void): AsyncGenerator<Uint8Array> {
  const clock = setTimeout(tooQuiet, quietMs);
  try {
    for await (const chunk of body) {
      clock.refresh();
      yield chunk;
    }
  } finally {
    clearTimeout(clock);
  }
}
