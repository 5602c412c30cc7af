import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { IsolationError } from "../isolation-error.ts";
import { frame } from "./steps.ts";

/** It is gone, and whether it still did what it was asked is unknown. */
export class LauncherGone extends Error {
  override readonly name = "LauncherGone";
}

export interface LauncherProcess {
  readonly gone: boolean;
  /** Answers in the order of asking. Throws LauncherGone, or IsolationError("start") for what took too long. */
  ask(fields: readonly string[]): Promise<string>;
  /** Whether the runner stays for it: not unless told, but for what was asked. */
  keep(alive: boolean): void;
  /** Lets it finish, then end. */
  close(): Promise<void>;
}

export interface LauncherProcessOptions {
  /** Absolute path of Perl. */
  readonly perl: string;
  readonly program: string;
  /** For one answer, those before it included. */
  readonly milliseconds: number;
  /** What it tells of without being asked. */
  readonly told: (line: string) => void;
  readonly onGone: () => void;
}

interface Waiting {
  readonly answer: (line: string) => void;
  readonly fail: (cause: Error) => void;
  readonly late: NodeJS.Timeout;
}

const lineBytes = 65_536;

export function startLauncher(options: LauncherProcessOptions): LauncherProcess {
  const { perl, program, milliseconds } = options;
  const child: ChildProcess = spawn(perl, ["-e", program], {
    env: {},
    cwd: "/",
    // Ctrl-C and a supervisor's SIGTERM go to whole groups: sandboxes are the runner's to end, after its calls.
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  // Both are absent when the runner has no descriptor left.
  const { stdin, stdout } = child;
  const keep = (alive: boolean): void => {
    const told = alive ? "ref" : "unref";
    child[told]();
    if (stdout instanceof Socket) stdout[told]();
  };
  keep(false);
  const queue: Waiting[] = [];
  let rest = "";
  let gone = false;

  const end = (why: string, cause?: unknown): void => {
    if (gone) return;
    gone = true;
    child.kill("SIGKILL");
    stdin?.destroy();
    stdout?.destroy();
    for (const { fail, late } of queue.splice(0)) {
      clearTimeout(late);
      fail(new LauncherGone(why, { cause }));
    }
    options.onGone();
  };
  const hear = (line: string): void => {
    if (!/^(?:ok|no)\b/.test(line)) {
      options.told(line);
      return;
    }
    const waiting = queue.shift();
    clearTimeout(waiting?.late);
    if (waiting === undefined) end("it answered without being asked");
    else waiting.answer(line);
  };
  child.on("error", (cause) => end("it could not be run", cause));
  stdin?.on("error", () => {}); // told by its end
  stdout?.once("close", () => end("it ended"));
  stdout?.on("data", (chunk: Buffer) => {
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) hear(line);
    if (rest.length > lineBytes) end("its answer was too long");
  });

  return {
    get gone() {
      return gone;
    },
    async ask(fields) {
      const request = frame(fields);
      if (gone) throw new LauncherGone("it ended");
      return await new Promise((answer, fail) => {
        // All wait as long and are answered in order: the first to be late is what it hangs in.
        const late = setTimeout(() => {
          queue.shift()?.fail(new IsolationError("start", `no answer in ${milliseconds} ms`));
          end("it hung");
        }, milliseconds);
        queue.push({ answer, fail, late });
        stdin?.write(request);
      });
    },
    keep,
    async close() {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      const late = setTimeout(() => child.kill("SIGKILL"), milliseconds);
      stdin?.end();
      await exited;
      clearTimeout(late);
    },
  };
}
