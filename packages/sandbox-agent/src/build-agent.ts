import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
// In a bundle the folder stands beside it.
const sourceFolder = ["../agent", "agent"]
  .map((folder) => join(import.meta.dirname, folder))
  .find((folder) => existsSync(join(folder, "agent.c"))) as string;
const flags = ["-std=c11", "-Os", "-static", "-s"];

export interface BuildAgentOptions {
  /** Where binaries (and a fetched compiler) are kept. */
  readonly cacheFolder: string;
  /** Compilers to try, in this order: names on PATH or absolute paths. `cc`, `gcc`, `clang` unless told. */
  readonly compilers?: readonly string[];
  /** Another C file than the agent's, built in the same way. */
  readonly source?: string;
  /** The Python that fetches a compiler where there is none; a name on PATH or a path. */
  readonly python?: string;
}

/** The agent could not be built. The message says what was tried and what to install. */
export class BuildAgentError extends Error {
  override readonly name = "BuildAgentError";
}

/**
 * The path of the agent's static binary for this machine's processor, compiled at most once per source and
 * compiler. The compiler is found by letting it compile; without one, a wheel pinned by hash brings one.
 * It is compiled beside its place and renamed, so that of several callers each sees a whole binary.
 */
export async function buildAgent(options: BuildAgentOptions): Promise<string> {
  if (process.platform !== "linux") throw new BuildAgentError("the agent runs on Linux only");
  await mkdir(options.cacheFolder, { recursive: true });
  const tried: string[] = [];
  for (const compiler of options.compilers ?? ["cc", "gcc", "clang"]) {
    try {
      return await compileWith([compiler], options);
    } catch (error) {
      tried.push(`${compiler}: ${lastLines(error)}`);
    }
  }
  try {
    const cache = join(options.cacheFolder, "zig-cache");
    // Without a HOME it would not know where to keep anything.
    const kept = [`ZIG_GLOBAL_CACHE_DIR=${cache}`, `ZIG_LOCAL_CACHE_DIR=${cache}`];
    return await compileWith(["env", ...kept, await fetchZig(options), "cc"], options);
  } catch (error) {
    tried.push(`ziglang (fetched): ${lastLines(error)}`);
  }
  throw new BuildAgentError(
    `no C compiler could build the sandbox agent. Install gcc or clang with a static libc (Debian: apt install gcc libc6-dev; Fedora: dnf install gcc glibc-static).\n${tried.join("\n")}`,
  );
}

async function compileWith(compiler: readonly string[], options: BuildAgentOptions): Promise<string> {
  const { cacheFolder, source = join(sourceFolder, "agent.c") } = options;
  const [program = "", ...before] = compiler;
  // `cc --version` of a missing compiler fails here, before anything is written.
  const { stdout: version } = await run(program, [...before, "--version"], { timeout: 30_000 });
  const hash = createHash("sha256").update(await readFile(source));
  hash.update(JSON.stringify([compiler, version, flags, process.arch]));
  const name = `sandbox-${basename(source, ".c")}`;
  const binary = join(cacheFolder, `${name}-${hash.digest("hex").slice(0, 32)}`);
  if (await exists(binary)) return binary;
  const work = await mkdtemp(join(cacheFolder, ".sandbox-agent-"));
  try {
    const made = join(work, name);
    await run(program, [...before, ...flags, "-o", made, source], { timeout: 120_000 });
    await chmod(made, 0o755);
    await rename(made, binary);
    return binary;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function fetchZig({ cacheFolder, python = "python3" }: BuildAgentOptions): Promise<string> {
  const pins = join(sourceFolder, "ziglang.txt");
  const pinned = createHash("sha256").update(await readFile(pins));
  const home = join(cacheFolder, `ziglang-${pinned.digest("hex").slice(0, 16)}`);
  const zig = join(home, "ziglang/zig");
  if (await exists(zig)) return zig;
  const work = await mkdtemp(join(cacheFolder, ".ziglang-"));
  try {
    const pip = ["-m", "pip", "--no-input", "--disable-pip-version-check", "--quiet", "download"];
    const only = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", pins, "-d", work];
    await run(python, [...pip, ...only], { timeout: 300_000 });
    const wheel = (await readdir(work)).find((file) => file.endsWith(".whl"));
    if (wheel === undefined) throw new BuildAgentError("pip brought no wheel of ziglang");
    await run(python, ["-m", "zipfile", "-e", join(work, wheel), join(work, "unpacked")], {
      timeout: 300_000,
    });
    await chmod(join(work, "unpacked/ziglang/zig"), 0o755);
    await rename(join(work, "unpacked"), home).catch(async (error: unknown) => {
      if (!(await exists(zig))) throw error; // else another caller was first, with the same content
    });
    return zig;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function lastLines(error: unknown): string {
  const { code, stderr = "", message = "" } = error as { code?: unknown; stderr?: string; message?: string };
  if (code === "ENOENT") return "not on this machine";
  return (stderr.trim() || message).split("\n").slice(-6).join("\n");
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
