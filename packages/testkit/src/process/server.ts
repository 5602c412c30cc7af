import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { until } from "../until.ts";
import { forget, type Launched, remember } from "./launched.ts";
import { watchOver } from "./watch.ts";

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment of the process: nothing of ours is inherited. */
  readonly env?: Readonly<Record<string, string>>;
  readonly identity?: { readonly uid: number; readonly gid: number };
  readonly folder: string;
  /** True when the folder was made for this server alone, and goes with it. */
  readonly temporary: boolean;
  /** Really ask the server; undefined or an error means not yet. */
  readonly ready: (pid: number) => Promise<true | undefined>;
  /** Milliseconds; 15 s unless told (a machine under load, not an expectation). */
  readonly readyWithin?: number;
  readonly stopSignal?: NodeJS.Signals;
  /** Milliseconds until it is killed that was asked to end; 5 s unless told. More than it takes for itself. */
  readonly stopWithin?: number;
  /** Called when the process ends and nobody here asked for it. */
  readonly onExit?: ((exit: Exit) => void) | undefined;
}

/** A server process that can be stopped, killed, and started again in the same folder. */
export interface Server {
  /** Of the running process; throws when it is not running. */
  readonly pid: number;
  readonly folder: string;
  /** Ask it to end, insist when it does not, and remove its temporary folder. Any number of times. */
  stop(): Promise<void>;
  /** Send a signal to its process group, SIGKILL unless told. Waits for the end, or for SIGSTOP to have stopped it. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Stop it if it runs, and start it again with the same arguments and folder. */
  restart(): Promise<void>;
}

const notEnding: readonly NodeJS.Signals[] = ["SIGSTOP", "SIGCONT", "SIGHUP", "SIGUSR1", "SIGUSR2"];
const politeMilliseconds = 5_000;

/** Start a server and wait until it answers. When it can't, what it logged last is in the error. */
export async function startServer(spec: ServerSpec): Promise<Server> {
  let running: Running | undefined;

  const end = async (): Promise<void> => {
    await running?.end(spec.stopSignal ?? "SIGTERM");
    running = undefined;
  };
  const stop = async (): Promise<void> => {
    await end();
    if (spec.temporary)
      await rm(spec.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
    forget(launched);
  };
  const launched: Launched = {
    name: spec.name,
    pid: () => (running?.exit === undefined ? running?.pid : undefined),
    temporaryFolder: spec.temporary ? spec.folder : undefined,
    stop,
  };

  remember(launched);
  try {
    running = await run(spec);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    folder: spec.folder,
    get pid() {
      const pid = launched.pid();
      if (pid === undefined) throw new Error(`${spec.name} is not running`);
      return pid;
    },
    stop,
    kill: async (signal = "SIGKILL") => {
      if (!running || running.exit) throw new Error(`${spec.name} is not running`);
      await running.signal(signal);
    },
    restart: async () => {
      await end();
      running = await run(spec);
    },
  };
}

interface Running {
  readonly pid: number;
  readonly exit: Exit | undefined;
  signal(signal: NodeJS.Signals): Promise<void>;
  end(signal: NodeJS.Signals): Promise<void>;
}

async function run(spec: ServerSpec): Promise<Running> {
  const logFile = join(spec.folder, `${spec.name}.log`);
  const child = spawnInto(logFile, spec);
  let exit: Exit | undefined;
  let failure: Error | undefined;
  let asked = false;
  const ended = new Promise<void>((resolve) => {
    child.once("error", (error) => {
      failure = error;
      exit = { code: null, signal: null };
      resolve();
    });
    child.once("exit", (code, signal) => {
      exit = { code, signal };
      if (!asked) spec.onExit?.(exit);
      resolve();
    });
  });
  const pid = child.pid;
  if (pid === undefined) {
    await ended;
    throw new Error(`${spec.name} could not be started: ${failure?.message ?? "no process"}`, {
      cause: failure,
    });
  }
  const watcher = watchOver(pid, spec.temporary ? spec.folder : undefined);
  void ended.then(() => watcher.kill("SIGKILL"));

  const send = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  const endsWithin = async (milliseconds: number): Promise<boolean> => {
    const clock = new AbortController();
    const late = sleep(milliseconds, false, clock).catch(() => false);
    const result = await Promise.race([ended.then(() => true), late]);
    clock.abort();
    return result;
  };
  const running: Running = {
    pid,
    get exit() {
      return exit;
    },
    signal: async (signal) => {
      asked = !notEnding.includes(signal);
      send(signal);
      if (asked && !(await endsWithin(2 * politeMilliseconds)))
        throw new Error(`${spec.name} did not end on ${signal}`);
      // Until the kernel has stopped its last thread it may still answer.
      if (signal === "SIGSTOP")
        await until(`${spec.name} standing still`, () => isStopped(pid), { within: politeMilliseconds });
    },
    end: async (signal) => {
      asked = true;
      if (exit) return;
      send(signal);
      send("SIGCONT"); // a stopped process would not hear it
      if (await endsWithin(spec.stopWithin ?? politeMilliseconds)) return;
      send("SIGKILL");
      await ended;
    },
  };

  try {
    await becomesReady(spec, running);
    return running;
  } catch (error) {
    await running.end("SIGKILL");
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`${message}\n${await lastLines(logFile)}`, { cause: error });
  }
}

function spawnInto(logFile: string, spec: ServerSpec): ChildProcess {
  const log = openSync(logFile, "a", 0o600);
  try {
    return spawn(spec.command, [...spec.args], {
      cwd: spec.folder,
      env: { PATH: "/usr/bin:/bin", HOME: spec.folder, ...spec.env },
      detached: true, // a group of its own: Ctrl-C reaches us, and we end it in order
      stdio: ["ignore", log, log],
      ...spec.identity,
    });
  } finally {
    closeSync(log);
  }
}

async function becomesReady(spec: ServerSpec, running: Running): Promise<void> {
  let died = false;
  await until(
    `${spec.name} answering`,
    async () => {
      if (running.exit) {
        died = true;
        return true;
      }
      return await spec.ready(running.pid);
    },
    { within: spec.readyWithin ?? 15_000 },
  );
  if (!died) return;
  const how = running.exit?.signal ?? `code ${running.exit?.code ?? "unknown"}`;
  throw new Error(`${spec.name} ended (${how}) before it was ready`);
}

async function lastLines(logFile: string): Promise<string> {
  const log = await readFile(logFile, "utf8").catch(() => "");
  const lines = log.trimEnd().split("\n").slice(-20);
  return log === "" ? "It logged nothing." : `It logged last:\n${lines.join("\n")}`;
}

async function isStopped(pid: number): Promise<boolean> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "stat=", "-p", String(pid)]);
  return stdout.trim().startsWith("T");
}
