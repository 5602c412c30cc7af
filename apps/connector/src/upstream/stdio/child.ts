import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { ServiceError } from "@sallyport/contracts";
import type { Scrubber } from "@sallyport/scrub";
import { type ChildMessage, readChildLine } from "./child-message.ts";
import { ErrorLog } from "./error-log.ts";
import type { StdioLimits } from "./limits.ts";
import { LineReader } from "./line-reader.ts";
import { killStragglers, MARKER_VARIABLE } from "./stragglers.ts";
import { watchOver } from "./watcher.ts";

/** After its end: what it wrote last is still read, unless something it left behind holds the pipe open. */
const lastWordsMs = 250;

export interface ChildSpec {
  readonly server: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string | undefined;
  /** The whole environment; the marker is added. */
  readonly env: Readonly<Record<string, string>>;
  /** Knows the secrets in `env`. */
  readonly scrubber: Scrubber | undefined;
  readonly limits: StdioLimits;
  readonly log: { debug(fields: object, message: string): void };
}

export interface ChildEvents {
  message(message: ChildMessage): void;
  /** It ended, or had to be ended, and nobody asked for it. Once, and no message after it. */
  failed(error: ServiceError): void;
}

/** A running server. */
export interface Child {
  readonly pid: number | undefined;
  /** One message, without a line feed. False: it does not read, and this was not written. */
  write(message: Uint8Array): boolean;
  pause(): void;
  resume(): void;
  /** End of input, then SIGTERM, then SIGKILL. No event after it. Any number of times. */
  stop(): void;
  /** When it and everything it started are gone. */
  readonly ended: Promise<void>;
}

/** Starts a server in a process group of its own. A start that fails is told by `failed`, later. */
export function startChild(spec: ChildSpec, events: ChildEvents): Child {
  return new Running(spec, events);
}

class Running implements Child {
  readonly ended: Promise<void>;
  readonly #spec: ChildSpec;
  readonly #events: ChildEvents;
  readonly #process: ChildProcessWithoutNullStreams | undefined;
  readonly #marker = randomBytes(16).toString("hex");
  readonly #lines: LineReader;
  readonly #errors: ErrorLog;
  readonly #timers: NodeJS.Timeout[] = [];
  #silenced = false;
  #stopping = false;

  constructor(spec: ChildSpec, events: ChildEvents) {
    this.#spec = spec;
    this.#events = events;
    this.#lines = new LineReader(spec.limits.maxLineBytes);
    this.#errors = new ErrorLog(spec.scrubber, (line) =>
      spec.log.debug({ server: spec.server, line }, "a server wrote to its standard error"),
    );
    this.#process = this.#spawn();
    this.ended = this.#process ? this.#follow(this.#process) : Promise.resolve();
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  write(message: Uint8Array): boolean {
    const input = this.#process?.stdin;
    if (input === undefined || !input.writable) return false;
    if (input.writableLength + message.length > this.#spec.limits.maxInputBytes) return false;
    input.cork();
    input.write(message);
    input.write("\n");
    input.uncork();
    return true;
  }

  pause(): void {
    if (!this.#silenced) this.#process?.stdout.pause();
  }

  resume(): void {
    this.#process?.stdout.resume();
  }

  stop(): void {
    this.#silenced = true;
    if (this.#process === undefined || this.#stopping) return;
    this.#stopping = true;
    const { termAfterMs, killAfterMs } = this.#spec.limits;
    this.#process.stdin.end();
    this.resume(); // one that is blocked in writing hears nothing else
    this.#timers.push(
      setTimeout(() => this.#signal("SIGTERM"), termAfterMs),
      setTimeout(() => this.#signal("SIGKILL"), killAfterMs),
    );
  }

  #spawn(): ChildProcessWithoutNullStreams | undefined {
    const { command, args, cwd, env } = this.#spec;
    try {
      return spawn(command, [...args], {
        cwd,
        env: { ...env, [MARKER_VARIABLE]: this.#marker },
        stdio: "pipe",
        detached: true,
      });
    } catch (error) {
      // Node quotes the variable that it refuses: only the code of the error is told.
      const code = (error as NodeJS.ErrnoException).code ?? "unknown";
      setImmediate(() => this.#fail(`could not be started (${code})`));
      return undefined;
    }
  }

  async #follow(child: ChildProcessWithoutNullStreams): Promise<void> {
    child.stdin.on("error", () => undefined); // it ended, or closed its input: its end says so
    child.stdout.on("data", (chunk: Uint8Array) => this.#read(chunk));
    child.stderr.on("data", (chunk: Uint8Array) => this.#errors.push(chunk));
    child.stdout.once("end", () => this.#closedOutput());
    const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
    const how = new Promise<string>((resolve) => {
      child.once("error", (error: NodeJS.ErrnoException) => {
        if (child.pid === undefined) resolve(`could not be started (${error.code ?? "unknown"})`);
      });
      child.once("exit", (code, signal) =>
        resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`),
      );
    });
    const { pid } = child;
    const watcher = pid === undefined ? undefined : watchOver(pid, this.#marker);
    const end = await how;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#signal("SIGKILL");
    if (pid !== undefined) await killStragglers(pid, this.#marker);
    this.resume();
    await within(closed, lastWordsMs);
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    this.#errors.end();
    watcher?.release();
    this.#fail(end);
  }

  #read(chunk: Uint8Array): void {
    if (this.#silenced) return;
    const step = this.#lines.push(chunk);
    if (!step.ok) {
      this.#fail(`sent a message of over ${this.#spec.limits.maxLineBytes} bytes`);
      this.#signal("SIGKILL");
      return;
    }
    for (const line of step.lines) this.#line(line);
  }

  #line(line: Uint8Array): void {
    const messages = readChildLine(line);
    if (messages === undefined)
      this.#errors.note(`(a line of ${line.length} bytes on its output is no message)`);
    for (const message of messages ?? []) if (!this.#silenced) this.#events.message(message);
  }

  /** As a rule because it ended, which is told by itself. One that lives on will never answer. */
  #closedOutput(): void {
    const { termAfterMs } = this.#spec.limits;
    this.#timers.push(
      setTimeout(() => {
        this.#fail("closed its output");
        this.#signal("SIGKILL");
      }, termAfterMs),
    );
  }

  #fail(how: string): void {
    if (this.#silenced) return;
    this.#silenced = true;
    const { server } = this.#spec;
    const detail = this.#errors.last === "" ? how : `${how}; it wrote last: ${this.#errors.last}`;
    this.#events.failed(new ServiceError("unavailable", `${server} ${how}`, { detail }));
  }

  /** To the whole group, while its leader runs or has just been collected: its number is not another's yet. */
  #signal(signal: NodeJS.Signals): void {
    const pid = this.#process?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // Nobody is left in it.
    }
  }
}

async function within(done: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
