import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { NotToBeHad } from "../terraform/not-to-be-had.ts";

const run = promisify(execFile);
const version = "5.2.5";
/** A shim on PATH finds its Python by the environment; what is started later has another one. */
const whichPython = "import sys; print(sys.executable); print(sys.implementation.cache_tag)";
const pins = join(import.meta.dirname, "moto.txt");

export interface FetchMotoOptions {
  readonly cache: string;
  /** Told in words when something slow happens. */
  readonly onProgress?: (text: string) => void;
}

export interface FetchedMoto {
  /** The Python that the packages are for; absolute. */
  readonly python: string;
  /** For PYTHONPATH. */
  readonly packages: string;
}

/**
 * The folder with moto and the AWS command line, for PYTHONPATH: from the cache, else fetched into it (pinned by
 * hash, a minute). It is filled beside that folder and renamed. Throws NotToBeHad where there is no Python with pip,
 * or no way to the packages; content that is not the pinned one is a fault.
 */
export async function fetchMoto(options: FetchMotoOptions): Promise<FetchedMoto> {
  try {
    const { stdout } = await run("python3", ["-c", whichPython], { timeout: 60_000 });
    const [python = "", tag = ""] = stdout.trim().split("\n");
    return { python, packages: await fetchFor(python, { ...options, name: `moto-${version}-${tag}` }) };
  } catch (error) {
    const why = whyUnavailable(error as { code?: unknown; killed?: boolean; stderr?: string });
    throw why === undefined ? error : new NotToBeHad(`moto ${version} cannot be fetched: ${why}`);
  }
}

async function fetchFor(
  python: string,
  { cache, name, onProgress }: FetchMotoOptions & { readonly name: string },
): Promise<string> {
  const home = join(cache, name);
  if (await exists(home)) return home;
  onProgress?.(`Fetching moto ${version} (once) into ${home}`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, ".moto-"));
  try {
    const pip = ["-m", "pip", "--no-input", "--disable-pip-version-check", "--quiet", "install"];
    const only = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", pins];
    await run(python, [...pip, ...only, "--target", work], { timeout: 300_000, maxBuffer: 1_048_576 });
    await rename(work, home).catch(async (error: unknown) => {
      if (!(await exists(home))) throw error; // else another caller was first, with the same content
    });
    return home;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What a machine lacks; undefined for a fault that nobody may overlook. Pure. */
export function whyUnavailable(end: {
  code?: unknown;
  killed?: boolean;
  stderr?: string;
}): string | undefined {
  const said = (end.stderr ?? "").trim().split("\n").slice(-3).join("\n");
  if (end.code === "ENOENT") return "there is no python3 on PATH";
  if (/DO NOT MATCH THE HASHES/.test(end.stderr ?? "")) return undefined;
  if (/No module named '?pip/.test(said)) return "python3 has no pip";
  if (end.killed) return "it took more than 5 minutes";
  return /No matching distribution|Could not find a version|ConnectionError|NewConnectionError|Max retries/.test(
    said,
  )
    ? `the packages are out of reach, or not made for this system:\n${said}`
    : undefined;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
