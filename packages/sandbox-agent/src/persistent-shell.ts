import { randomBytes } from "node:crypto";
import type { SandboxFiles } from "./files.ts";
import type { RunningExec } from "./running-exec.ts";
import type { SandboxClient } from "./sandbox-client.ts";
import { endedBy, markersOf, scriptOf, untilMarker } from "./shell-marker.ts";
import { ShellOutput, type ShownOutput, type Spill } from "./shell-output.ts";

export interface ShellOptions {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folder inside the sandbox for output that is too long; `/tmp` unless told. */
  readonly spillFolder?: string;
  /** Bytes of output that are shown; 100,000 unless told. */
  readonly maxShownBytes?: number;
}

export interface CommandOptions {
  /** 120,000 unless told. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Told how many bytes there are so far, and the latest of them as they came; for progress. */
  readonly onProgress?: (bytes: number, latest: Buffer) => void;
}

/**
 * - `done`: the command ended, the shell goes on.
 * - `shell-exited`: the command ended the shell (`exit 3`); the next command gets a new one.
 * - `timeout`, `aborted`: the shell and all of its session, background jobs too, were killed; the next command
 *   gets a new one, in the first folder and without the old variables.
 */
export type CommandEnd = "done" | "shell-exited" | "timeout" | "aborted";
export interface CommandResult extends ShownOutput {
  readonly end: CommandEnd;
  /** As bash counts it (128 + signal). Unknown when the command was killed. */
  readonly exitCode?: number;
}

const maxCommandBytes = 262_144;

/**
 * The `bash` of an agent: one `/bin/bash --noprofile --norc` that keeps its folder, variables, functions and
 * background jobs from command to command. Commands run one at a time, in the order of asking, with /dev/null as
 * stdin and stderr joined. Each is framed by markers of its own random, so what a background job writes between
 * two commands belongs to neither and is dropped, and one that holds the pipe holds up nobody (attack 27).
 */
export class PersistentShell {
  readonly #client: SandboxClient;
  readonly #files: SandboxFiles;
  readonly #options: ShellOptions;
  #shell: { exec: RunningExec; pieces: AsyncIterator<Buffer, void> } | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(client: SandboxClient, files: SandboxFiles, options: ShellOptions) {
    this.#client = client;
    this.#files = files;
    this.#options = options;
  }

  /** Rejects only when the sandbox fails, or with RangeError for a command that cannot be given to a shell. */
  async run(command: string, options: CommandOptions = {}): Promise<CommandResult> {
    if (command.includes("\0")) throw new RangeError("a command holds no NUL");
    if (Buffer.byteLength(command) > maxCommandBytes)
      throw new RangeError(`a command has at most ${maxCommandBytes} bytes`);
    return await this.#inTurn(() => this.#run(command, options));
  }

  /** Kill the shell and all of its session, a command that runs too. The next command gets a new one. */
  async restart(): Promise<void> {
    this.#shell?.exec.signal(9, "session");
    await this.#inTurn(() => this.#kill());
  }

  #inTurn<T>(act: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(act);
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #run(command: string, options: CommandOptions): Promise<CommandResult> {
    const { timeoutMs = 120_000, signal, onProgress } = options;
    const output = new ShellOutput(this.#options.maxShownBytes ?? 100_000, () => this.#openSpill());
    if (signal?.aborted) return { ...(await output.shown()), end: "aborted" };
    const shell = await this.#started();
    let end: CommandEnd | undefined;
    const kill = (why: CommandEnd) => {
      end ??= why;
      shell.exec.signal(9, "session");
    };
    const clock = setTimeout(() => kill("timeout"), timeoutMs);
    const abort = () => kill("aborted");
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort(); // it came while the shell was starting
    try {
      const markers = markersOf(randomBytes(16).toString("hex"));
      void shell.exec.write(Buffer.from(scriptOf(command, markers)));
      let bytes = 0;
      const exitCode = await untilMarker(shell.pieces, markers, async (data) => {
        if (end !== undefined) return;
        bytes += data.length;
        onProgress?.(bytes, data);
        await output.push(data);
      });
      if (end !== undefined || exitCode === undefined) {
        this.#shell = undefined;
        const exit = await shell.exec.exit;
        const shown = await output.shown();
        return end === undefined
          ? { ...shown, end: "shell-exited", exitCode: endedBy(exit) }
          : { ...shown, end };
      }
      return { ...(await output.shown()), end: "done", exitCode };
    } finally {
      clearTimeout(clock);
      signal?.removeEventListener("abort", abort);
    }
  }

  async #started(): Promise<{ exec: RunningExec; pieces: AsyncIterator<Buffer, void> }> {
    if (this.#shell !== undefined) return this.#shell;
    const exec = await this.#client.exec({
      argv: ["/bin/bash", "--noprofile", "--norc"],
      cwd: this.#options.cwd,
      env: this.#options.env,
      stdin: "pipe",
      joined: true,
    });
    // Once, so that no command needs the shell's own stdout: `exec >file` in one does not lose the next.
    await exec.write(Buffer.from("exec 9>&1\n"));
    this.#shell = { exec, pieces: dataOf(exec) };
    return this.#shell;
  }

  async #kill(): Promise<void> {
    const shell = this.#shell;
    if (shell === undefined) return;
    this.#shell = undefined;
    shell.exec.kill();
    await shell.exec.exit;
  }

  async #openSpill(): Promise<Spill> {
    const path = `${this.#options.spillFolder ?? "/tmp"}/bash-output-${randomBytes(6).toString("hex")}.txt`;
    const writer = await this.#files.open(path);
    return { path, write: (bytes) => writer.write(bytes), finish: () => writer.finish() };
  }
}

async function* dataOf(exec: RunningExec): AsyncGenerator<Buffer, void, undefined> {
  for await (const { data } of exec.output()) yield data;
}
