import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { Duplex, Readable, Writable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type { Ended } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import { descriptors } from "./args.ts";

export interface LaunchOptions {
  readonly bwrap: string;
  /** Makes what the arguments speak of, while bubblewrap is being started: it reads them before it does anything. */
  readonly prepare: () => Promise<readonly string[]>;
  /** File of the seccomp program. */
  readonly seccomp: string;
  /** Descriptors of the runner that would be inherited. */
  readonly inherited: readonly number[];
  /** Of the process that starts it; undefined: the runner's own. */
  readonly uid: number | undefined;
  /** Called with the host pid of the sandbox's first process, before that runs anything. */
  readonly beforeStart: (pid: number) => Promise<void>;
}

export interface Launched {
  readonly socket: Duplex;
  /** Host pid of the first process of the sandbox's pid namespace: its end is the end of all of them. */
  readonly initPid: number;
  readonly monitor: ChildProcess;
  readonly ended: Promise<Ended>;
}

const startMilliseconds = 10_000;
const lastWordsMilliseconds = 200;
const infoBytes = 4_096;
const complaintCharacters = 2_048;

/** Starts bubblewrap, lets `beforeStart` have its first process, then lets that go on. Throws IsolationError("start"). */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const preparing = options.prepare();
  preparing.catch(() => {}); // told where it is waited for
  try {
    return await start(options, preparing);
  } catch (cause) {
    // What is still being made would be in the way of whoever puts it away.
    await preparing.catch(() => {});
    throw cause;
  }
}

async function start(options: LaunchOptions, preparing: Promise<readonly string[]>): Promise<Launched> {
  const filter = await open(options.seccomp, "r");
  const nothing = await open("/dev/null", "r");
  // bubblewrap closes a descriptor of arguments once it has read it: so /dev/null, as empty arguments, takes the place
  // of each that would be inherited.
  const masked = options.inherited.filter((each) => each > descriptors.block);
  const args = [descriptors.args, ...masked].flatMap((each) => ["--args", String(each)]);
  const stdio: ("ignore" | "pipe" | number)[] = [
    "ignore",
    "ignore",
    "pipe",
    "pipe",
    "pipe",
    filter.fd,
    "pipe",
    "pipe",
  ];
  for (const each of masked) {
    while (stdio.length < each) stdio.push("ignore");
    stdio[each] = nothing.fd;
  }
  let monitor: ChildProcess;
  let exited: Promise<{ code: number | undefined }>;
  let said: Said;
  try {
    monitor = spawn(options.bwrap, [...args, "--", "/sallyport/agent"], {
      // The first process inside keeps what it was started with, to be read at /proc/1/environ.
      env: {},
      // Where it is installed is a path of the host, and its command line can be read inside.
      argv0: "bwrap",
      cwd: "/",
      // Ctrl-C and a supervisor's SIGTERM go to whole groups: what runs inside is the runner's to end, after its calls.
      detached: true,
      stdio,
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    });
    // Before anything is waited for: one that cannot load its library has ended by then, and tells it once.
    exited = exitOf(monitor);
    said = collect(monitor.stderr);
  } finally {
    await filter.close();
    await nothing.close();
  }
  try {
    const socket = stream(monitor, descriptors.agent, Duplex);
    const given = stream(monitor, descriptors.args, Writable);
    given.end((await preparing).map((each) => `${each}\0`).join(""));
    const info = stream(monitor, descriptors.info, Readable);
    const initPid = await within(Promise.race([childPid(info), exited.then(() => undefined)]));
    if (initPid === undefined) throw new Error("it ended before the sandbox began");
    info.destroy();
    await options.beforeStart(initPid);
    stream(monitor, descriptors.block, Writable).end("\n");
    void exited.then(() => monitor.stderr?.destroy());
    return { socket, initPid, monitor, ended: exited.then(({ code }) => ({ code, said: said.text() })) };
  } catch (cause) {
    monitor.kill("SIGKILL");
    await exited;
    // What it wrote last may still be in the pipe; a first process that outlives it holds that open.
    await Promise.race([said.all, pause(lastWordsMilliseconds, undefined, { ref: false })]);
    for (const each of monitor.stdio) each?.destroy();
    if (cause instanceof IsolationError) throw cause;
    const why = said.text() || (cause instanceof Error ? cause.message : "unknown");
    throw new IsolationError("start", why, { cause });
  }
}

function exitOf(monitor: ChildProcess): Promise<{ code: number | undefined }> {
  return new Promise((resolve) => {
    monitor.once("error", () => resolve({ code: undefined }));
    monitor.once("exit", (code) => resolve({ code: code ?? undefined }));
  });
}

type StreamKind<T> = abstract new (...args: never) => T;

function stream<T>(monitor: ChildProcess, descriptor: number, kind: StreamKind<T>): T {
  const found = monitor.stdio.at(descriptor);
  // A spawn that failed has none; a broken pipe is told by the exit, not by the stream.
  if (!(found instanceof kind)) throw new Error("bubblewrap could not be run");
  (found as Duplex).on("error", () => {});
  return found;
}

/**
 * Reads to the closing brace: bubblewrap writes in pieces, and a reader gone before the last one ends it by SIGPIPE, with
 * a first process that waits for it for ever.
 */
async function childPid(info: Readable): Promise<number | undefined> {
  let text = "";
  for await (const chunk of info.setEncoding("utf8")) {
    text += chunk;
    if (text.includes("}") || text.length > infoBytes) break;
  }
  const found = /"child-pid":\s*(\d+)\D/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

interface Said {
  text(): string;
  /** Resolves when nobody is left to say more. */
  readonly all: Promise<void>;
}

/** What more is written there fills one pipe, then waits: it costs the runner nothing. */
function collect(from: Readable | null): Said {
  let text = "";
  const all = new Promise<void>((resolve) => void from?.once("close", resolve));
  from?.on("data", (chunk: Buffer) => {
    text = (text + chunk.toString("utf8")).slice(0, complaintCharacters);
    if (text.length === complaintCharacters) from.pause();
  });
  return { text: () => text.trim(), all };
}

async function within<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing after ${startMilliseconds} ms`)), startMilliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
