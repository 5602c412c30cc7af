import { randomBytes } from "node:crypto";
import { ServiceError } from "@sallyport/contracts";
import { ApiFailure } from "./api-failure.ts";
import type { ToolAnswer } from "./tool-answer.ts";

const maxKeptEvents = 2_000;
const maxKeptBytes = 8 * 1024 * 1024;
const maxOpenCalls = 64;

export interface SessionEvent {
  readonly id: string;
  readonly type: string;
  readonly processed_at: string;
  readonly [field: string]: unknown;
}

export interface EventListener {
  event(event: SessionEvent): void;
  end(): void;
}

interface OpenCall {
  answered(answer: ToolAnswer): void;
  failed(error: ServiceError): void;
}

/** A session of tool calls, as its worker sees it: events in their order. Bounded: what was answered long ago goes first. */
export class RemoteSession {
  readonly id = `sesn_${randomBytes(18).toString("base64url")}`;
  readonly environment: string;
  readonly createdAt = new Date().toISOString();
  /** The work item under which it is served, while there is one. */
  item: string | undefined;
  /** When it was last called for, by the edge's clock. */
  usedAt = 0;
  /** Items that ended without an answer to anything. */
  fruitless = 0;
  #events: { event: SessionEvent; bytes: number; at: number }[] = [];
  #bytes = 0;
  #sequence = 0;
  readonly #open = new Map<string, OpenCall>();
  readonly #listeners = new Set<EventListener>();
  #terminated = false;

  constructor(environment: string) {
    this.environment = environment;
  }

  get status(): "running" | "idle" | "terminated" {
    if (this.#terminated) return "terminated";
    return this.#open.size > 0 ? "running" : "idle";
  }

  get openCalls(): number {
    return this.#open.size;
  }

  /** Resolves with what the worker says. Rejects when the session fails, or with the signal's reason. */
  call(tool: string, input: object, signal: AbortSignal): Promise<ToolAnswer> {
    if (this.#terminated) throw new ServiceError("not_found", "the session has ended");
    if (this.#open.size >= maxOpenCalls)
      throw new ServiceError("exhausted", "too many calls in progress in this session");
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<ToolAnswer>();
    const event = this.#event("agent.tool_use", { name: tool, input, evaluated_permission: "allow" });
    const gone = () => {
      // Nobody waits any more. A result that comes later is taken and given to nobody.
      if (this.#open.delete(event.id)) reject(signal.reason);
      this.#restIfDone();
    };
    const settled = (act: () => void) => {
      signal.removeEventListener("abort", gone);
      this.#open.delete(event.id);
      act();
    };
    this.#open.set(event.id, {
      answered: (answer) => settled(() => resolve(answer)),
      failed: (error) => settled(() => reject(error)),
    });
    signal.addEventListener("abort", gone, { once: true });
    this.#tell(event);
    return promise;
  }

  /** A worker's result. The same one again is answered as it was; one for no call of this session is refused. */
  answer(id: string, answer: ToolAnswer): SessionEvent {
    const before = this.#events.find(({ event }) => event.tool_use_id === id);
    if (before !== undefined) return before.event;
    const asked = this.#events.some(({ event }) => event.id === id && event.type === "agent.tool_use");
    if (!asked) throw new ApiFailure(400, "there is no such tool use in this session");
    const event = this.#event("user.tool_result", { tool_use_id: id, ...answer });
    this.#tell(event);
    this.fruitless = 0;
    this.#open.get(id)?.answered(answer);
    this.#restIfDone();
    return event;
  }

  /** Every call fails with it. */
  fail(error: ServiceError): void {
    for (const call of [...this.#open.values()]) call.failed(error);
  }

  terminate(): void {
    if (this.#terminated) return;
    this.#terminated = true;
    this.fail(new ServiceError("not_found", "the session has ended"));
    this.#tell(this.#event("session.status_terminated", {}));
    for (const listener of this.#listeners) listener.end();
  }

  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Ascending, those after `after`. */
  page(after: number, limit: number): { events: SessionEvent[]; next: number | undefined } {
    const rest = this.#events.filter(({ at }) => at > after);
    const page = rest.slice(0, limit);
    return {
      events: page.map(({ event }) => event),
      next: rest.length > limit ? page.at(-1)?.at : undefined,
    };
  }

  /** The turn is over as far as anybody here knows: the worker may end after its idle time. */
  #restIfDone(): void {
    if (this.#open.size > 0 || this.#terminated) return;
    this.#tell(this.#event("session.status_idle", { stop_reason: { type: "end_turn" } }));
  }

  #event(type: string, fields: object): SessionEvent {
    const id = `sevt_${randomBytes(18).toString("base64url")}`;
    return { id, type, processed_at: new Date().toISOString(), ...fields };
  }

  #tell(event: SessionEvent): void {
    this.#sequence += 1;
    const bytes = Buffer.byteLength(JSON.stringify(event));
    this.#events.push({ event, bytes, at: this.#sequence });
    this.#bytes += bytes;
    this.#forget();
    for (const listener of this.#listeners) listener.event(event);
  }

  /** A call that is open stays, however old it is. */
  #forget(): void {
    while (this.#events.length > maxKeptEvents || this.#bytes > maxKeptBytes) {
      const at = this.#events.findIndex(({ event }) => !this.#open.has(event.id));
      const [oldest] = at < 0 ? [] : this.#events.splice(at, 1);
      if (oldest === undefined) return;
      this.#bytes -= oldest.bytes;
    }
  }
}
