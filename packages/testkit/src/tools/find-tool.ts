import { execFile } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { promisify } from "node:util";
import { fetchTool } from "./fetch-tool.ts";
import { type Tool, type ToolName, tools } from "./tool.ts";
import { versionIn } from "./version.ts";

const run = promisify(execFile);
const repository = join(import.meta.dirname, "../../../..");

export interface FindToolOptions {
  /** Told in words when something slow happens. Finding a tool on PATH or in the cache says nothing. */
  readonly onProgress?: (text: string) => void;
  /** Folders to look in, as in PATH. */
  readonly path?: string;
  /** Where fetched tools live: one folder per tool and version. */
  readonly cache?: string;
  /** The Python that fetches; a name on PATH or a path. */
  readonly python?: string;
}

/**
 * The absolute path of a program of a good version: from PATH, else from the repository's cache, else
 * fetched (hash-pinned) into that cache. An unsuitable one on PATH is passed over. Throws ToolError.
 */
export async function findTool(name: ToolName, options: FindToolOptions = {}): Promise<string> {
  const tool = tools[name];
  const onPath = await suitable(tool, options.path ?? process.env.PATH ?? "");
  if (onPath) return onPath;
  return await fetchTool(tool, {
    cache: options.cache ?? join(repository, ".cache/tools"),
    python: options.python ?? "python3",
    onProgress: options.onProgress ?? (() => {}),
  });
}

/** The absolute path of a program that is only looked for. */
export async function programOnPath(
  name: string,
  path: string = process.env.PATH ?? "",
): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter(isAbsolute)) {
    const program = join(folder, name);
    if (
      await access(program, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return program;
  }
  return undefined;
}

async function suitable(tool: Tool, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter(isAbsolute)) {
    const program = join(folder, tool.name);
    const version = await versionOf(program, tool);
    if (version && tool.problem(version) === undefined) return program;
  }
  return undefined;
}

async function versionOf(program: string, tool: Tool): Promise<string | undefined> {
  try {
    await access(program, constants.X_OK);
    const { stdout, stderr } = await run(program, [...tool.versionArgs], {
      timeout: 10_000,
      maxBuffer: 65_536,
    });
    return versionIn(stdout || stderr);
  } catch {
    return undefined; // not there, or does not run here: as good as absent
  }
}
