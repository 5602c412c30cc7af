import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";

export interface SessionEvent {
  readonly id: string;
  readonly type: string;
  readonly processed_at: string;
  readonly [field: string]: unknown;
}

export interface Wire {
  /** Cuts the stream into pieces of so many bytes; 0: as it comes. */
  readonly cutBytes: number;
  /** How often each event is sent. */
  readonly times: number;
  readonly lineEnd: "\n" | "\r\n" | "\r";
}

/** A session as the test scripts it: events in their order, and the streams that are open on it. */
export class Session {
  readonly id = `sesn_${randomUUID().replaceAll("-", "")}`;
  readonly events: SessionEvent[] = [];
  readonly resources: { type: string }[] = [];
  status: "idle" | "running" | "terminated" = "running";
  readonly #streams = new Set<ServerResponse>();
  readonly #wire: () => Wire;

  constructor(wire: () => Wire) {
    this.#wire = wire;
  }

  get streams(): number {
    return this.#streams.size;
  }

  emit(type: string, fields: Record<string, unknown> = {}): SessionEvent {
    const event = { id: `sevt_${randomUUID().replaceAll("-", "")}`, type, processed_at: now(), ...fields };
    this.events.push(event);
    for (const stream of this.#streams) this.#send(stream, event);
    return event;
  }

  toolUse(name: string, input: object, more: Record<string, unknown> = {}): string {
    return this.emit("agent.tool_use", { name, input, ...more }).id;
  }

  confirm(id: string, result: string): void {
    this.emit("user.tool_confirmation", { tool_use_id: id, result });
  }

  idle(reason = "end_turn", more: object = {}): void {
    this.status = "idle";
    this.emit("session.status_idle", { stop_reason: { type: reason, ...more } });
  }

  terminate(): void {
    this.status = "terminated";
    this.emit("session.status_terminated");
  }

  /** Events only from now on: history is for `GET …/events`. */
  attach(stream: ServerResponse): void {
    stream.writeHead(200, {
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
    });
    stream.flushHeaders();
    this.#streams.add(stream);
    stream.on("close", () => this.#streams.delete(stream));
    this.#write(stream, `: hello${this.#wire().lineEnd}event: ping${this.#wire().lineEnd}data: {}`);
  }

  /** Ends the streams, in the middle of an event where one is on its way. */
  cut(): void {
    for (const stream of this.#streams) stream.destroy();
  }

  answerOf(id: string): SessionEvent | undefined {
    return this.events.find(
      (event) => (event.tool_use_id ?? event.custom_tool_use_id) === id && "content" in event,
    );
  }

  #send(stream: ServerResponse, event: SessionEvent): void {
    const { times, lineEnd } = this.#wire();
    const frame = `event: ${event.type}${lineEnd}data: ${JSON.stringify(event)}`;
    for (let sent = 0; sent < times; sent += 1) this.#write(stream, frame);
  }

  #write(stream: ServerResponse, frame: string): void {
    const { cutBytes, lineEnd } = this.#wire();
    const bytes = Buffer.from(`${frame}${lineEnd}${lineEnd}`);
    const step = cutBytes === 0 ? bytes.length : cutBytes;
    for (let at = 0; at < bytes.length; at += step) stream.write(bytes.subarray(at, at + step));
  }
}

const now = (): string => new Date().toISOString();
