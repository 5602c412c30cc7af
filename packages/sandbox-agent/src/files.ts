import { expandBraces, rooted } from "./glob-pattern.ts";
import type { ExecRequest, SandboxClient } from "./sandbox-client.ts";
import { reasonOf, SandboxError } from "./sandbox-error.ts";

export type FileKind = "file" | "folder" | "link" | "fifo" | "socket" | "character-device" | "block-device";
export interface FileStat {
  readonly kind: FileKind;
  /** Permission bits. */
  readonly mode: number;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}
export interface Found {
  /** Paths, the newest first for a glob; lines `path:number:text` for a grep. */
  readonly found: readonly string[];
  /** There is more than was told, or the tree is too large to look through. */
  readonly truncated: boolean;
}
export interface SandboxProcess {
  readonly pid: number;
  readonly parent: number;
  /** One letter, as in proc(5). */
  readonly state: string;
  readonly residentKiB: number;
  readonly cpuMs: number;
  /** At most 512 bytes. */
  readonly command: string;
}
export interface FilesOptions {
  /** Relative paths begin here. */
  readonly cwd: string;
  /** Milliseconds for one operation. */
  readonly timeoutMs?: number;
}
export interface GrepQuery {
  readonly pattern: string;
  readonly path: string;
  /** `regex` is POSIX extended, with GNU's `\w`, `\s` and `\b`, and `\d`. */
  readonly how?: "regex" | "regex-ignoring-case" | "fixed";
  /** Bytes of lines, at most; 100,000 unless told. */
  readonly maxBytes?: number;
}
/** A file that is written piece by piece; it is there, whole, when `finish` resolves, and else not at all. */
export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  drop(): void;
}

const maxReadBytes = 16_777_216;
const maxWriteBytes = 67_108_864;
const truncatedCode = 201;
const kinds: Readonly<Record<string, FileKind>> = {
  f: "file",
  d: "folder",
  l: "link",
  p: "fifo",
  s: "socket",
  c: "character-device",
  b: "block-device",
};

/**
 * Files and processes of a sandbox, each operation done inside by a program of the agent's: a link, a FIFO or a
 * rename race meets the sandbox's own kernel view, and no path is ever opened outside (attack 21). Refusals are
 * `SandboxError`s of code `failed`, in our words.
 */
export class SandboxFiles {
  /** Where relative paths begin. */
  readonly cwd: string;
  readonly #client: SandboxClient;
  readonly #timeoutMs: number;

  constructor(client: SandboxClient, { cwd, timeoutMs = 30_000 }: FilesOptions) {
    this.#client = client;
    this.cwd = cwd;
    this.#timeoutMs = timeoutMs;
  }

  /** Of the link itself, where it is one. */
  async stat(path: string, signal?: AbortSignal): Promise<FileStat> {
    const { bytes } = await this.#run(["stat", path], { maxBytes: 96, ...(signal && { signal }) });
    return this.#stat(bytes).stat;
  }

  /** At most `limit` bytes (16 MiB) from `offset`, of a regular file. */
  async read(
    path: string,
    {
      offset = 0,
      limit = maxReadBytes,
      signal,
    }: { offset?: number; limit?: number; signal?: AbortSignal } = {},
  ): Promise<FileStat & { readonly data: Buffer }> {
    const most = Math.min(count(limit), maxReadBytes);
    const argv = ["read", path, String(count(offset)), String(most)];
    const { bytes } = await this.#run(argv, { maxBytes: most + 96, ...(signal && { signal }) });
    const { stat, rest } = this.#stat(bytes);
    if (rest.length > most) throw this.#client.violated("more of a file than was asked for");
    return { ...stat, data: rest };
  }

  /** Whole or not at all, its folders made. A file that is there keeps its mode unless `mode` (octal bits) is told. */
  async write(
    path: string,
    data: Uint8Array,
    { mode, signal }: { mode?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    if (data.length > maxWriteBytes)
      throw new RangeError(`a file of over ${maxWriteBytes} bytes is not written`);
    const octal = mode === undefined ? "-" : (mode & 0o777).toString(8);
    const argv = ["write", path, octal, String(data.length)];
    await this.#run(argv, { maxBytes: 0, input: data, ...(signal && { signal }) });
  }

  /** A file whose size is not known yet; at most `maxBytes`. */
  async open(
    path: string,
    { maxBytes = maxWriteBytes, signal }: { maxBytes?: number; signal?: AbortSignal } = {},
  ): Promise<FileWriter> {
    const argv = ["write", path, "600", `-${Math.min(count(maxBytes), maxWriteBytes)}`];
    const exec = await this.#client.exec({ ...this.#request(argv), stdin: "pipe" }, signal);
    exec.discard();
    return {
      write: (bytes) => exec.write(bytes),
      finish: async () => {
        exec.endInput();
        const exit = await exec.exit;
        if (!("code" in exit) || exit.code !== 0) throw failed("code" in exit ? exit.code : 4);
      },
      drop: () => exec.signal(15, "process"),
    };
  }

  /**
   * Paths below `folder` that match: `*`, `?`, `[…]` within a name, `**` across folders, `{a,b}` for either. At most
   * 200. `.git` and `node_modules` are looked through only as the folder itself, by `grep` too.
   */
  async glob(pattern: string, folder = ".", signal?: AbortSignal): Promise<Found> {
    if (pattern.includes("\n")) throw new RangeError("a pattern is one line");
    const [wanted, root] = rooted(pattern, folder);
    return await this.#find(["glob", expandBraces(wanted).join("\n"), root], {
      maxBytes: 200 * 8192,
      end: "\0",
      ...(signal && { signal }),
    });
  }

  /** Lines that match, of the text files below a path (links not followed, files over 64 MiB passed over). */
  async grep(query: GrepQuery, signal?: AbortSignal): Promise<Found> {
    const { pattern, path, how = "regex", maxBytes = 100_000 } = query;
    const letter = how === "fixed" ? "F" : how === "regex" ? "E" : "i";
    const argv = [
      "grep",
      letter,
      how === "fixed" ? pattern : withDigits(pattern),
      path,
      String(count(maxBytes)),
    ];
    return await this.#find(argv, { maxBytes: maxBytes + 1, end: "\n", ...(signal && { signal }) });
  }

  async processes(signal?: AbortSignal): Promise<readonly SandboxProcess[]> {
    const { found } = await this.#find(["ps"], {
      maxBytes: 2000 * 800,
      end: "\0",
      ...(signal && { signal }),
    });
    return found.map((line) => {
      const [, pid, parent, state, kib, ms, command] =
        /^(\d{1,10}) (\d{1,10}) ([A-Za-z]) (\d{1,15}) (\d{1,18}) (.*)$/s.exec(line) ?? [];
      if (state === undefined || command === undefined)
        throw this.#client.violated("a process of another form");
      return {
        pid: Number(pid),
        parent: Number(parent),
        state,
        residentKiB: Number(kib),
        cpuMs: Number(ms),
        command,
      };
    });
  }

  /** The agent itself and the sandbox's first process are refused. */
  async killProcess(pid: number, number: number, signal?: AbortSignal): Promise<void> {
    if (!Number.isInteger(pid) || pid < 2 || !Number.isInteger(number) || number < 0 || number > 64)
      throw new RangeError("no such process or signal");
    await this.#run(["kill", String(pid), String(number)], { maxBytes: 0, ...(signal && { signal }) });
  }

  /**
   * Listen on 127.0.0.1 inside, and carry each connection to the unix socket at `socketPath` inside. Answers the
   * port (give 0 to have one picked). It runs until `stop`.
   */
  async bridge(port: number, socketPath: string): Promise<{ readonly port: number; stop(): Promise<void> }> {
    const exec = await this.#client.exec(this.#request(["bridge", String(port), socketPath]));
    let line = "";
    for await (const { data } of exec.output()) {
      line += data.toString("latin1");
      if (line.includes("\n") || line.length > 32) break;
    }
    const [, bound] = /^ready (\d{1,5})\n$/.exec(line) ?? [];
    if (bound !== undefined) {
      const stop = async () => {
        exec.kill();
        await exec.exit;
      };
      return { port: Number(bound), stop };
    }
    if (line !== "") throw this.#client.violated("a bridge of another form");
    const exit = await exec.exit;
    throw failed("code" in exit ? exit.code : 4);
  }

  async #find(argv: readonly string[], { end, ...how }: RunHow & { end: string }): Promise<Found> {
    const { bytes, truncated } = await this.#run(argv, how);
    const found = bytes.toString("utf8").split(end);
    if (found.pop() !== "") throw this.#client.violated("a list without an end");
    return { found, truncated };
  }

  async #run(argv: readonly string[], how: RunHow): Promise<{ bytes: Buffer; truncated: boolean }> {
    const clock = AbortSignal.timeout(this.#timeoutMs);
    const signal = how.signal === undefined ? clock : AbortSignal.any([clock, how.signal]);
    try {
      return await this.#finish(argv, { ...how, signal });
    } catch (error) {
      if (error === clock.reason && clock.aborted)
        throw new SandboxError("timeout", `it took more than ${this.#timeoutMs} ms`);
      throw error;
    }
  }

  async #finish(argv: readonly string[], { maxBytes, input, signal }: RunHow) {
    const stdin = input === undefined ? "none" : "pipe";
    const exec = await this.#client.exec({ ...this.#request(argv), stdin }, signal);
    const sent = input === undefined ? undefined : exec.write(input).then(() => exec.endInput());
    const pieces: Buffer[] = [];
    let held = 0;
    for await (const { data } of exec.output()) {
      held += data.length;
      if (held > maxBytes) throw this.#client.violated("a longer answer than was asked for");
      pieces.push(data);
    }
    await sent;
    const exit = await exec.exit;
    const code = "code" in exit ? exit.code : 4; // EINTR: something inside killed it
    if (code !== 0 && code !== truncatedCode) throw failed(code);
    return { bytes: Buffer.concat(pieces), truncated: code === truncatedCode };
  }

  #request(argv: readonly string[]): ExecRequest {
    return { argv, cwd: this.cwd, builtin: true };
  }

  #stat(bytes: Buffer): { stat: FileStat; rest: Buffer } {
    const end = bytes.indexOf("\n");
    const line = bytes.subarray(0, Math.max(0, Math.min(end, 95))).toString("latin1");
    const [, letter = "", mode, size, modified] =
      /^([a-z]) ([0-7]{1,4}) (\d{1,15}) (-?\d{1,15})$/.exec(line) ?? [];
    const kind = kinds[letter];
    if (kind === undefined) throw this.#client.violated("a file of another form");
    const stat = {
      kind,
      mode: Number.parseInt(mode ?? "", 8),
      size: Number(size),
      modified: Number(modified),
    };
    return { stat, rest: bytes.subarray(end + 1) };
  }
}

interface RunHow {
  readonly maxBytes: number;
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
}

function failed(errno: number): SandboxError {
  return new SandboxError("failed", reasonOf(errno), errno);
}

function count(value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("not a count of bytes");
  return value;
}

/** POSIX knows no `\d`, and everybody writes it. Inside brackets it becomes its digits alone. */
function withDigits(pattern: string): string {
  return pattern.replace(/\[\^?\]?[^\]]*\]|\\./g, (part) =>
    part === "\\d" ? "[0-9]" : part.startsWith("[") ? part.replaceAll("\\d", "0-9") : part,
  );
}
