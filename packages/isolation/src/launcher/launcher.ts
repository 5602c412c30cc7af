import type { Duplex } from "node:stream";
import type { Ended } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import { type Handover, openHandover } from "./handover.ts";
import { LauncherGone, type LauncherProcess, startLauncher } from "./launcher-process.ts";
import { launcherProgram } from "./program.ts";
import { fieldsOf, fieldsOfStart, repeatable, type Start, type Step, wordsOf } from "./steps.ts";

export interface Launched {
  readonly socket: Duplex;
  /** Host pid of the first process of the sandbox's pid namespace: its end is the end of all of them. */
  readonly first: number;
  /** Resolves at the end of bubblewrap, which is that of the first process. */
  readonly ended: Promise<Ended>;
  /** Kills the first process, if it lives. */
  kill(): void;
}

/** What starts the sandboxes of one driver: a small process that lives as long as the driver. */
export interface Launcher {
  /**
   * One after the other; the first that fails is the last. Returns what was read, in order.
   * Throws StepFailed, or IsolationError("start").
   */
  run(steps: readonly Step[]): Promise<Reads>;
  /** Resolves when the sandbox, in its groups, has begun. Throws IsolationError("start"), and then it has ended. */
  launch(steps: readonly Step[], start: Start): Promise<Launched>;
  close(): Promise<void>;
}
export type Reads = readonly (string | undefined)[];

/** `step` is undefined where it was the start. */
export class StepFailed extends IsolationError {
  readonly step: Step | undefined;
  readonly errno: string;

  constructor(step: Step | undefined, errno: string) {
    super("start", `${step ? wordsOf(step) : "bubblewrap"}: ${errno}`);
    this.step = step;
    this.errno = errno;
  }
}

export interface LauncherOptions {
  /** Absolute path of a folder for it alone. */
  readonly folder: string;
  readonly perl?: string;
  readonly program?: string;
  /** For one call. Default: ten seconds. */
  readonly milliseconds?: number;
}

interface Box {
  readonly began: (first: number) => void;
  readonly ended: (end: Ended) => void;
}

/**
 * The process is started by the first call; when it ended since, by the next. What was asked of one that is gone is asked
 * of another, once, where to have it twice is as to have it once.
 */
export async function openLauncher(options: LauncherOptions): Promise<Launcher> {
  const { folder, perl = "/usr/bin/perl", program = launcherProgram, milliseconds = 10_000 } = options;
  const handover: Handover = await openHandover(folder);
  const boxes = new Map<string, Box>();
  let process: LauncherProcess | undefined;
  let closed = false;

  /** Ids are unknown where a sandbox was given up. */
  const told = (line: string): void => {
    const [what, id = "", ...words] = line.split(" ");
    if (what === "began") boxes.get(id)?.began(Number(words[0]));
    if (what !== "ended") return;
    boxes
      .get(id)
      ?.ended({ code: words[0] === "-" ? undefined : Number(words[0]), said: textOf(words[1]) ?? "" });
    boxes.delete(id);
  };
  /** The kernel ends every sandbox with it. */
  const onGone = (): void => {
    for (const { ended } of boxes.values()) ended({ code: undefined, said: "what started it is gone" });
    boxes.clear();
  };
  const living = (): LauncherProcess => {
    if (closed) throw new LauncherGone("the driver was closed");
    if (process === undefined || process.gone)
      process = startLauncher({ perl, program, milliseconds, told, onGone });
    return process;
  };
  const ask = async (steps: readonly Step[], start: readonly string[] = []): Promise<readonly string[]> => {
    const fields = [...steps.flatMap(fieldsOf), ...start];
    const [said, ...words] = (await living().ask(fields)).split(" ");
    if (said === "ok") return words;
    throw new StepFailed(steps[Number(words[0])], words[1] ?? "unknown");
  };

  return {
    async run(steps) {
      const asked = ask(steps).catch((cause: unknown) => {
        if (cause instanceof LauncherGone && steps.every(repeatable)) return ask(steps);
        throw cause;
      });
      return (await asked.catch(explained)).map(textOf);
    },
    async launch(steps, start) {
      const { id } = start;
      const socket = handover.expect(id);
      const ended = Promise.withResolvers<Ended>();
      const began = Promise.withResolvers<number | undefined>();
      boxes.set(id, { began: began.resolve, ended: ended.resolve });
      const never = (): void => ended.resolve({ code: undefined, said: "" });
      void ended.promise.then(() => began.resolve(undefined));
      const kill = (): void => void process?.ask(["kill", "", id]).catch(() => {});
      try {
        await ask(steps, fieldsOfStart(start, handover.path)).catch((cause: unknown) => {
          boxes.delete(id);
          never();
          throw cause;
        });
        const first = await within(milliseconds, began.promise);
        if (first === undefined) {
          const { said } = await ended.promise;
          throw new IsolationError("start", said || "it ended before the sandbox began");
        }
        return { socket: await within(milliseconds, socket), first, ended: ended.promise, kill };
      } catch (cause) {
        handover.forget(id);
        void socket.then((each) => each.destroy());
        if (boxes.has(id)) kill();
        // Whoever puts it away must not meet it.
        await within(milliseconds, ended.promise).catch(() => {});
        return explained(cause);
      }
    },
    async close() {
      closed = true;
      await process?.close();
      handover.close();
    },
  };
}

function explained(cause: unknown): never {
  if (!(cause instanceof LauncherGone)) throw cause;
  const why = `the process that starts sandboxes is gone: ${cause.message}`;
  throw new IsolationError("start", why, { cause });
}

/** What was read, in hexadecimal after `=`. */
function textOf(word: string | undefined): string | undefined {
  return word?.startsWith("=") ? Buffer.from(word.slice(1), "hex").toString("utf8").trim() : undefined;
}

async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const why = (): Error => new IsolationError("start", `nothing after ${milliseconds} ms`);
    timer = setTimeout(() => reject(why()), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
