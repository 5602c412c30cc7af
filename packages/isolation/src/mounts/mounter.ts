import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { IsolationError } from "../isolation-error.ts";
import { requestBytes } from "./program.ts";

/** It is gone, and whether it still did what it was asked is unknown. */
export class MounterGone extends Error {
  override readonly name = "MounterGone";
}

export interface Mounter {
  readonly gone: boolean;
  /** Answers in the order of asking. Throws MounterGone, or IsolationError("start") for what took too long. */
  ask(fields: readonly string[]): Promise<string>;
  /** Lets it finish, then end. */
  close(): Promise<void>;
}

export interface MounterOptions {
  /** Absolute path of Perl. */
  readonly perl: string;
  readonly program: string;
  /** For one answer, those before it included. */
  readonly milliseconds: number;
}

interface Waiting {
  readonly answer: (line: string) => void;
  readonly fail: (cause: Error) => void;
  readonly late: NodeJS.Timeout;
}

const lineBytes = 64;

export function startMounter({ perl, program, milliseconds }: MounterOptions): Mounter {
  const child: ChildProcess = spawn(perl, ["-e", program], {
    env: {},
    cwd: "/",
    // Ctrl-C and a supervisor's SIGTERM go to whole groups: what is mounted then is still to be unmounted.
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  // Both are absent when the runner has no descriptor left.
  const { stdin, stdout } = child;
  // It alone must not keep a runner alive; the timer of what was asked does.
  child.unref();
  if (stdout instanceof Socket) stdout.unref();
  const queue: Waiting[] = [];
  let rest = "";
  let gone = false;

  const end = (why: string, cause?: unknown): void => {
    gone = true;
    child.kill("SIGKILL");
    stdin?.destroy();
    stdout?.destroy();
    for (const { fail, late } of queue.splice(0)) {
      clearTimeout(late);
      fail(new MounterGone(why, { cause }));
    }
  };
  child.on("error", (cause) => end("it could not be run", cause));
  stdin?.on("error", () => {}); // told by its end
  stdout?.once("close", () => end("it ended"));
  stdout?.on("data", (chunk: Buffer) => {
    const [last = "", ...lines] = (rest + chunk.toString("latin1")).split("\n").reverse();
    rest = last;
    for (const line of lines.reverse()) {
      const waiting = queue.shift();
      if (waiting === undefined) return end("it answered without being asked");
      clearTimeout(waiting.late);
      waiting.answer(line);
    }
    if (rest.length > lineBytes) end("its answer was too long");
  });

  return {
    get gone() {
      return gone;
    },
    async ask(fields) {
      const request = frame(fields);
      if (gone) throw new MounterGone("it ended");
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

/** Throws for what would be read as other fields. */
function frame(fields: readonly string[]): Buffer {
  const text = Buffer.from(fields.join("\0"));
  if (fields.some((field) => field.includes("\0")) || text.length > requestBytes)
    throw new IsolationError("start", "a NUL in a path, or a path too long");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text]);
}
