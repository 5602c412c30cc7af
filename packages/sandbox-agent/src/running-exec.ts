import { fromAgent, toAgent } from "./frame.ts";

/** Bytes of output that may be on their way before the reader asks for more. */
export const outputWindow = 262_144;
const stdinWindow = 65_536;
const stdinPiece = 32_768;

export type Exit = { readonly code: number } | { readonly signal: number };
export interface OutputPiece {
  readonly stream: "stdout" | "stderr";
  readonly data: Buffer;
}
/** `process`: the program alone. `group`: its process group. `session`: everything that stayed in its session. */
export type SignalScope = "process" | "group" | "session";
const scopes: Readonly<Record<SignalScope, number>> = { process: 0, group: 1, session: 2 };

/** What a running program needs of its client. */
export interface ExecLink {
  readonly send: (type: number, payload: Buffer) => void;
  /** Milliseconds in which a killed program must have ended, or the agent is taken for dead. */
  readonly killMs: number;
  readonly silent: (what: string) => void;
}

/**
 * One program in the sandbox. Its output must be read: what is not read holds the program back, and memory with
 * it. Breaking off the reading, or an abort, throws the rest away.
 */
export class RunningExec {
  readonly pid: number;
  /** When it ended, or rejected with why that can't be known. What a daemon writes later belongs to nobody. */
  readonly exit: Promise<Exit>;
  readonly #link: ExecLink;
  readonly #settle: { resolve: (exit: Exit) => void; reject: (error: unknown) => void };
  readonly #pieces: OutputPiece[] = [];
  #credit = outputWindow;
  #owed = 0;
  #stdinCredit = stdinWindow;
  #discarding = false;
  #over: { error?: unknown } | undefined;
  #aborted: { error: unknown } | undefined;
  #wake: (() => void)[] = [];
  #killClock: NodeJS.Timeout | undefined;

  constructor(pid: number, link: ExecLink) {
    this.pid = pid;
    this.#link = link;
    const { promise, resolve, reject } = Promise.withResolvers<Exit>();
    this.exit = promise;
    this.#settle = { resolve, reject };
    promise.catch(() => {}); // whoever reads the output alone hears of it there
  }

  /** Output in the order of arrival. One reader. Ends with the program. */
  async *output(): AsyncGenerator<OutputPiece, void, undefined> {
    try {
      for (;;) {
        const piece = this.#pieces.shift();
        if (piece !== undefined) {
          yield piece;
          this.#giveBack(piece.data.length);
          continue;
        }
        const over = this.#aborted ?? this.#over;
        if (over === undefined) await this.#change();
        else if ("error" in over) throw over.error;
        else return;
      }
    } finally {
      this.discard();
    }
  }

  /** Read no further, and let it run. */
  discard(): void {
    this.#discarding = true;
    const bytes = this.#pieces.splice(0).reduce((sum, { data }) => sum + data.length, 0);
    this.#giveBack(bytes);
  }

  /** To its stdin, as fast as it reads. What it no longer wants goes nowhere. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (this.#stdinCredit === 0 && this.#over === undefined && !this.#aborted) await this.#change();
      if (this.#over !== undefined || this.#aborted) return;
      const length = Math.min(stdinPiece, this.#stdinCredit, bytes.length - at);
      this.#stdinCredit -= length;
      this.#link.send(toAgent.stdin, Buffer.from(bytes.subarray(at, at + length)));
      at += length;
    }
  }

  endInput(): void {
    if (this.#over === undefined) this.#link.send(toAgent.stdin, Buffer.alloc(0));
  }

  /** `number` as in Linux, 0–64. */
  signal(number: number, scope: SignalScope = "group"): void {
    if (!Number.isInteger(number) || number < 0 || number > 64) throw new RangeError("no such signal");
    if (this.#over === undefined) this.#link.send(toAgent.signal, Buffer.from([scopes[scope], number]));
  }

  /** End all of its session, and throw its output away. */
  kill(): void {
    this.discard();
    this.signal(9, "session");
    if (this.#over === undefined)
      this.#killClock ??= setTimeout(() => this.#link.silent("a killed program's end"), this.#link.killMs);
  }

  /** As `kill`, and tell whoever waits that it was this reason. The end itself is still awaited from the agent. */
  abort(reason: unknown): void {
    this.kill();
    this.#aborted ??= { error: reason };
    this.#settle.reject(reason);
    this.#changed();
  }

  /** Rows and columns of its terminal, each 1–65535. */
  resize(rows: number, columns: number): void {
    const size = Buffer.alloc(4);
    size.writeUInt16BE(rows, 0);
    size.writeUInt16BE(columns, 2);
    if (this.#over === undefined) this.#link.send(toAgent.resize, size);
  }

  /** A frame of this program. Answers what rule it broke, or undefined. */
  take(type: number, payload: Buffer): string | undefined {
    switch (type) {
      case fromAgent.output: {
        const stream = payload[0];
        const data = payload.subarray(1);
        if ((stream !== 1 && stream !== 2) || data.length === 0) return "output of no stream";
        this.#credit -= data.length;
        if (this.#credit < 0) return "more output than was asked for";
        if (this.#discarding) this.#giveBack(data.length);
        else this.#pieces.push({ stream: stream === 1 ? "stdout" : "stderr", data });
        break;
      }
      case fromAgent.stdinCredit: {
        if (payload.length !== 4) return "credit of another form";
        this.#stdinCredit += payload.readUInt32BE(0);
        if (this.#stdinCredit > stdinWindow) return "more credit than there is";
        break;
      }
      case fromAgent.exit: {
        const value = payload.length === 5 ? payload.readUInt32BE(1) : 256;
        if (value > 255 || (payload[0] !== 0 && payload[0] !== 1)) return "an end of another form";
        this.end({ exit: payload[0] === 0 ? { code: value } : { signal: value } });
        break;
      }
      default:
        return "a type that does not belong here";
    }
    this.#changed();
    return undefined;
  }

  end(how: { exit: Exit } | { error: unknown }): void {
    if (this.#over !== undefined) return;
    clearTimeout(this.#killClock);
    this.#over = "error" in how ? { error: how.error } : {};
    if ("error" in how) this.#settle.reject(how.error);
    else this.#settle.resolve(how.exit);
    this.#changed();
  }

  #giveBack(bytes: number): void {
    this.#owed += bytes;
    if (this.#over !== undefined || this.#owed < outputWindow / 4) return;
    const more = Buffer.alloc(4);
    more.writeUInt32BE(this.#owed);
    this.#credit += this.#owed;
    this.#owed = 0;
    this.#link.send(toAgent.credit, more);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
