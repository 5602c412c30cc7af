import type { Duplex } from "node:stream";
import {
  encodeFrame,
  encodeString,
  encodeStrings,
  type Frame,
  FrameReader,
  fromAgent,
  toAgent,
} from "./frame.ts";
import { outputWindow, RunningExec } from "./running-exec.ts";
import { reasonOf, SandboxError } from "./sandbox-error.ts";

export interface SandboxLimits {
  /** Programs at once, at most 64. */
  readonly maxExecs: number;
  /** Milliseconds in which the agent must have answered a ping, started a program, or ended a killed one. */
  readonly answerMs: number;
}
const usualLimits: SandboxLimits = { maxExecs: 48, answerMs: 10_000 };

export interface ExecRequest {
  /** The program (a path, or a name in the PATH of `env`) and its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  /** The whole environment; nothing is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  /** /dev/null unless told. A terminal always has input. */
  readonly stdin?: "none" | "pipe";
  /** Both streams in one pipe, in the order of writing; all of it is told as stdout. */
  readonly joined?: boolean;
  readonly terminal?: { readonly rows: number; readonly columns: number };
  /** `argv` names one of the agent's own programs. */
  readonly builtin?: boolean;
}

interface Answer {
  readonly payload: Buffer;
  readonly exec?: RunningExec;
}

interface Waiting {
  readonly what: "pong" | "start";
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly clock: NodeJS.Timeout;
}

/**
 * The owner's end of an agent's socket. The sandbox is hostile: every frame must be one that was asked for, in
 * its form and its bounds. The first that isn't ends this client for good (attack 37); `ended` then tells why,
 * and the owner ends the sandbox.
 */
export class SandboxClient {
  readonly ended: Promise<SandboxError>;
  readonly #socket: Duplex;
  readonly #limits: SandboxLimits;
  readonly #reader = new FrameReader();
  readonly #waiting = new Map<number, Waiting>();
  readonly #running = new Map<number, RunningExec>();
  readonly #tellEnd: (error: SandboxError) => void;
  #end: SandboxError | undefined;
  #lastId = 0;

  constructor(socket: Duplex, limits: Partial<SandboxLimits> = {}) {
    this.#socket = socket;
    this.#limits = { ...usualLimits, ...limits };
    const { promise, resolve } = Promise.withResolvers<SandboxError>();
    this.ended = promise;
    this.#tellEnd = resolve;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => this.#fail("closed", "the sandbox's socket failed"));
    socket.on("end", () => this.#fail("closed", "the sandbox has ended"));
    socket.on("close", () => this.#fail("closed", "the sandbox has ended"));
  }

  /** End the agent, and with it everything it started. */
  close(): void {
    this.#fail("closed", "the sandbox was closed");
  }

  async ping(): Promise<void> {
    await this.#ask("pong", toAgent.ping, Buffer.alloc(0));
  }

  /** Start a program. An abort ends its session, whenever it comes; `exit` and `output` then reject with its reason. */
  async exec(request: ExecRequest, signal?: AbortSignal): Promise<RunningExec> {
    signal?.throwIfAborted();
    if (request.argv.length === 0) throw new RangeError("no program is named");
    const starting = [...this.#waiting.values()].filter(({ what }) => what === "start").length;
    if (this.#running.size + starting >= this.#limits.maxExecs)
      throw new SandboxError("exhausted", "too many programs are running in this sandbox");
    const { payload, exec } = await this.#ask("start", toAgent.exec, encodeExec(request));
    if (exec === undefined) {
      const errno = payload.readUInt32BE(0);
      throw new SandboxError("not-started", `it could not be started: ${reasonOf(errno)}`, errno);
    }
    if (signal !== undefined) abortWith(exec, signal);
    return exec;
  }

  /** The agent said something that it must not; for whoever reads the output of its own programs. */
  violated(what: string): SandboxError {
    return this.#fail("violated", `the sandbox's agent broke the protocol: ${what}`);
  }

  #ask(what: Waiting["what"], type: number, payload: Buffer): Promise<Answer> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const id = ++this.#lastId;
    const frame = encodeFrame({ type, id, payload });
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => this.#silent(what), this.#limits.answerMs);
      this.#waiting.set(id, { what, resolve, reject, clock });
      this.#socket.write(frame);
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#end !== undefined) return;
    try {
      for (const frame of this.#reader.push(chunk)) {
        const broken = this.#take(frame);
        if (broken !== undefined) {
          this.violated(broken);
          return;
        }
      }
    } catch {
      this.violated("a frame's length");
    }
  }

  /** What rule the frame breaks, or undefined. */
  #take(frame: Frame): string | undefined {
    const { type, id, payload } = frame;
    const exec = this.#running.get(id);
    if (exec !== undefined) {
      const broken = exec.take(type, payload);
      if (broken === undefined && type === fromAgent.exit) this.#running.delete(id);
      return broken;
    }
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return "an answer that nobody waits for";
    if (waiting.what === "pong" ? type !== fromAgent.pong : !startTypes.has(type))
      return "an answer of a wrong type";
    if (payload.length !== (type === fromAgent.pong ? 0 : 4)) return "an answer of another form";
    this.#waiting.delete(id);
    clearTimeout(waiting.clock);
    if (type !== fromAgent.started) waiting.resolve({ payload });
    else {
      const started = this.#started(id, payload.readUInt32BE(0));
      this.#running.set(id, started);
      waiting.resolve({ payload, exec: started }); // it may be over before the caller's turn comes
    }
    return undefined;
  }

  #started(id: number, pid: number): RunningExec {
    return new RunningExec(pid, {
      send: (type, payload) => {
        if (this.#end === undefined) this.#socket.write(encodeFrame({ type, id, payload }));
      },
      killMs: this.#limits.answerMs,
      silent: (what) => this.#silent(what),
    });
  }

  #silent(what: string): void {
    this.#fail("silent", `the sandbox's agent did not answer in ${this.#limits.answerMs} ms: ${what}`);
  }

  #fail(code: "violated" | "silent" | "closed", message: string): SandboxError {
    if (this.#end !== undefined) return this.#end;
    const error = new SandboxError(code, message);
    this.#end = error;
    this.#socket.destroy();
    for (const { reject, clock } of this.#waiting.values()) {
      clearTimeout(clock);
      reject(error);
    }
    this.#waiting.clear();
    for (const exec of this.#running.values()) exec.end({ error });
    this.#running.clear();
    this.#tellEnd(error);
    return error;
  }
}

const startTypes: ReadonlySet<number> = new Set([fromAgent.started, fromAgent.notStarted]);

function encodeExec({ argv, cwd, env = {}, ...rest }: ExecRequest): Buffer {
  const { stdin = "none", joined = false, terminal, builtin = false } = rest;
  const head = Buffer.alloc(9);
  const flags = [terminal !== undefined, stdin === "pipe", builtin, joined];
  head.writeUInt8(
    flags.reduce((sum, on, bit) => sum | (on ? 1 << bit : 0), 0),
    0,
  );
  head.writeUInt32BE(outputWindow, 1);
  head.writeUInt16BE(terminal?.rows ?? 0, 5);
  head.writeUInt16BE(terminal?.columns ?? 0, 7);
  const pairs = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return Buffer.concat([head, encodeString(cwd), encodeStrings(argv), encodeStrings(pairs)]);
}

function abortWith(exec: RunningExec, signal: AbortSignal): void {
  const abort = () => exec.abort(signal.reason);
  if (signal.aborted) {
    abort();
    return;
  }
  signal.addEventListener("abort", abort, { once: true });
  const done = () => signal.removeEventListener("abort", abort);
  exec.exit.then(done, done);
}
