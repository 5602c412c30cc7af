import type { SessionEvent, ToolUse } from "./api-shapes.ts";

/**
 * What is known of a session's events, and what follows: which call is to run next, whether the turn is over, whether the
 * session is. Pure. Events may come twice, and from history and stream in any mixture; a call is given out once.
 */
export class SessionBook {
  /** Calls that wait for their turn, a verdict, or whoever else owns them. */
  readonly #open = new Map<string, ToolUse>();
  readonly #answered = new Set<string>();
  readonly #verdicts = new Map<string, string>();
  readonly #deadThreads = new Set<string>();
  readonly #owns: (call: ToolUse) => boolean;
  #ownAnswered = 0;
  #given: string | undefined;
  #turnOver = false;
  #ended = false;

  /** `owns`: whether this worker has the tool. Another's call stays open, for its owner. */
  constructor(owns: (call: ToolUse) => boolean) {
    this.#owns = owns;
  }

  /** The session has ended: nothing may be run or posted any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The last word was that the turn is over, and no call of ours runs or waits for a verdict. */
  get resting(): boolean {
    return (
      this.#turnOver &&
      this.#given === undefined &&
      ![...this.#open.values()].some((call) => this.#holds(call))
    );
  }

  /** Calls of this worker's tools that have been answered, by whichever worker. */
  get answered(): number {
    return this.#ownAnswered;
  }

  hasAnswer(id: string): boolean {
    return this.#answered.has(id);
  }

  note(event: SessionEvent): void {
    if (!this.#saysNothingOfTheTurn(event)) {
      this.#turnOver = event.type === "session.status_idle" && event.stop_reason?.type !== "requires_action";
    }
    switch (event.type) {
      case "agent.tool_use":
      case "agent.custom_tool_use":
        if (!this.#answered.has(event.id) && this.#given !== event.id) this.#open.set(event.id, event);
        return;
      case "user.tool_result":
        this.#answer(event.tool_use_id);
        return;
      case "user.custom_tool_result":
        this.#answer(event.custom_tool_use_id);
        return;
      case "user.tool_confirmation":
        // The first verdict stands: a denied call is not allowed by a second word.
        if (!this.#verdicts.has(event.tool_use_id)) this.#verdicts.set(event.tool_use_id, event.result);
        return;
      case "session.thread_status_terminated":
        this.#deadThreads.add(event.session_thread_id);
        return;
      case "session.status_terminated":
      case "session.deleted":
        this.#ended = true;
        return;
      case "session.status_idle":
      case "other":
        return;
    }
  }

  /** The next call to run, in the order of asking; it is this worker's until `close`. One at a time. */
  take(): ToolUse | undefined {
    if (this.#ended || this.#given !== undefined) return undefined;
    for (const [id, call] of this.#open) {
      if (!this.#owns(call) || this.#permission(call) !== "run") continue;
      this.#open.delete(id);
      this.#given = id;
      return call;
    }
    return undefined;
  }

  /** The call that was taken has its result, or will never get one from here: it is not run again. */
  close(id: string): void {
    if (this.#given === id) this.#given = undefined;
    this.#answer(id);
  }

  #answer(id: string): void {
    const call = this.#open.get(id);
    if (call !== undefined && this.#owns(call)) this.#ownAnswered += 1;
    this.#open.delete(id);
    this.#answered.add(id);
  }

  /** Default deny: only nothing said, or `allow`, runs by itself; `deny` beats every verdict; anything else waits. */
  #permission(call: ToolUse): "run" | "wait" | "never" {
    const { evaluated_permission: permission, session_thread_id: thread } = call;
    if (typeof thread === "string" && this.#deadThreads.has(thread)) return "never";
    if (permission === "deny") return "never";
    const verdict = this.#verdicts.get(call.id);
    if (verdict !== undefined) return verdict === "allow" ? "run" : "never";
    return permission === undefined || permission === null || permission === "allow" ? "run" : "wait";
  }

  #holds(call: ToolUse): boolean {
    return this.#owns(call) && this.#permission(call) !== "never";
  }

  #saysNothingOfTheTurn({ type }: SessionEvent): boolean {
    return type === "user.tool_confirmation" || type === "session.thread_status_terminated";
  }
}
