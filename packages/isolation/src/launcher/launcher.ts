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

/** What starts the sandboxes of one driver: small processes that live as long as the driver. */
export interface Launcher {
  /**
   * One after the other; the first that fails is the last. Returns what was read, in order. What was asked of a process
   * that is gone is asked of another, once, where to have it twice is as to have it once.
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
 * Two processes of the same program: one starts sandboxes, the other mounts and puts away what needs to be done apart,
 * because who unmounts is held up by the kernel until all processors have noticed, and the next start must not be.
 */
export async function openLauncher(options: LauncherOptions): Promise<Launcher> {
  const { folder, perl = "/usr/bin/perl", program = launcherProgram, milliseconds = 10_000 } = options;
  const handover: Handover = await openHandover(folder);
  const boxes = new Map<string, Box>();
  /** Ids are unknown where a sandbox was given up. */
  const told = (line: string): void => {
    const [what, id = "", ...words] = line.split(" ");
    if (what === "began") boxes.get(id)?.began(Number(words[0]));
    if (what !== "ended") return;
    boxes
      .get(id)
      ?.ended({ code: words[0] === "-" ? undefined : Number(words[0]), said: textOf(words[1]) ?? "" });
    forget(id);
  };
  /** A sandbox that lives keeps the runner, as a child of its own would. */
  const forget = (id: string): void => {
    boxes.delete(id);
    if (boxes.size === 0) starter.keep(false);
  };
  /** The kernel ends every sandbox with it. */
  const onGone = (): void => {
    for (const { ended } of boxes.values()) ended({ code: undefined, said: "what started it is gone" });
    boxes.clear();
  };
  const process = { perl, program, milliseconds };
  const starter = renewed(() => startLauncher({ ...process, told, onGone }));
  const sweeper = renewed(() => startLauncher({ ...process, told: () => {}, onGone: () => {} }));

  return {
    async run(steps) {
      const asked = ask(sweeper, steps).catch((cause: unknown) => {
        if (cause instanceof LauncherGone && steps.every(repeatable)) return ask(sweeper, steps);
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
      const kill = (): void => void starter.ask(["kill", "", id]).catch(() => {});
      try {
        const asked = ask(starter, steps, fieldsOfStart(start, handover.path));
        starter.keep(true);
        await asked.catch((cause: unknown) => {
          forget(id);
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
      await Promise.all([starter.close(), sweeper.close()]);
      handover.close();
    },
  };
}

type Renewed = Pick<LauncherProcess, "ask" | "keep" | "close">;

/** The process is started by the first call; when it ended since, by the next. */
function renewed(start: () => LauncherProcess): Renewed {
  let process: LauncherProcess | undefined;
  let closed = false;
  return {
    async ask(fields) {
      if (closed) throw new LauncherGone("the driver was closed");
      if (process === undefined || process.gone) process = start();
      return await process.ask(fields);
    },
    keep: (alive) => process?.keep(alive),
    async close() {
      closed = true;
      await process?.close();
    },
  };
}

async function ask(
  process: Renewed,
  steps: readonly Step[],
  start: readonly string[] = [],
): Promise<readonly string[]> {
  const fields = [...steps.flatMap(fieldsOf), ...start];
  const [said, ...words] = (await process.ask(fields)).split(" ");
  if (said === "ok") return words;
  throw new StepFailed(steps[Number(words[0])], words[1] ?? "unknown");
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
