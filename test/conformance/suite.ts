import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const RUN_LIMIT_MS = 120_000;
const KEPT_OUTPUT = 20_000;

/** Which release of the official suite runs, and what it demands. */
export interface Suite {
  readonly name: string;
  /** The package as test/package.json names it. */
  readonly package: string;
  /** Arguments of its `server` command that choose the scenarios. */
  readonly choose: readonly string[];
  /** Arguments of its `list` command that name those that count; absent: all that run count. */
  readonly scored?: readonly string[];
}

export const SUITE_2025_11_25: Suite = {
  name: "2025-11-25",
  package: "@modelcontextprotocol/conformance",
  choose: ["--suite", "active"],
};

/** The same revision by the later release, which also holds every message against the schema. */
export const SUITE_2025_11_25_SCHEMA: Suite = {
  name: "2025-11-25 with schema",
  package: "conformance-next",
  choose: ["--requirements", "2025-11-25"],
  scored: ["--server", "--requirements", "2025-11-25"],
};

export const SUITE_2026_07_28: Suite = {
  name: "2026-07-28",
  package: "conformance-next",
  choose: ["--requirements", "2026-07-28"],
  scored: ["--server", "--requirements", "2026-07-28"],
};

export interface Check {
  readonly id: string;
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  readonly errorMessage?: string;
}

/** How one scenario went. It passes where no check failed and at least one succeeded. */
export interface Verdict {
  readonly scenario: string;
  /** Whether the protocol revision demands it. */
  readonly scored: boolean;
  readonly passed: number;
  readonly failed: number;
  readonly warnings: number;
  readonly checks: readonly Check[];
}

export const passes = (verdict: Verdict): boolean => verdict.failed === 0 && verdict.passed > 0;

/** Runs a whole suite against an MCP endpoint, in a process of its own, in bounded time. */
export async function runSuite(suite: Suite, url: string, limitMs = RUN_LIMIT_MS): Promise<Verdict[]> {
  const folder = await mkdtemp(join(tmpdir(), "conformance-"));
  try {
    const signal = AbortSignal.timeout(limitMs);
    const listing = suite.scored ? await runCli(suite, ["list", ...suite.scored], signal) : undefined;
    const scored = listing === undefined ? undefined : scenariosIn(listing);
    const output = await runCli(suite, ["server", "--url", url, ...suite.choose, "-o", folder], signal);
    const verdicts = await readVerdicts(folder, scored);
    const missing = scored?.filter((name) => !verdicts.some((verdict) => verdict.scenario === name)) ?? [];
    if (verdicts.length === 0 || missing.length > 0) {
      throw new Error(`the suite ${suite.name} did not run ${missing.join(", ") || "at all"}:\n${output}`);
    }
    return verdicts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runCli(suite: Suite, args: readonly string[], signal: AbortSignal): Promise<string> {
  const manifest = createRequire(import.meta.url).resolve(`${suite.package}/package.json`);
  const cli = join(manifest, "../dist/index.js");
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    signal,
    killSignal: "SIGKILL",
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-KEPT_OUTPUT);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  // The exit code only repeats what the verdicts say.
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  return output;
}

/** The suite lists scenarios as `  - name`; a `[version]` may follow. Server scenarios come first. */
function scenariosIn(listing: string): string[] {
  const [servers = ""] = listing.split(/^Client scenarios/m);
  return [...servers.matchAll(/^ {2}- (\S+)/gm)].map((match) => match[1] ?? "");
}

/** One folder for each scenario: `server-<scenario>-<ISO time>/checks.json`. */
async function readVerdicts(folder: string, scored: readonly string[] | undefined): Promise<Verdict[]> {
  const folders = (await readdir(folder)).sort();
  const verdicts: Verdict[] = [];
  for (const name of folders) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1];
    if (scenario === undefined) continue;
    const checks = await readChecks(join(folder, name, "checks.json"));
    const count = (status: Check["status"]) => checks.filter((check) => check.status === status).length;
    verdicts.push({
      scenario,
      scored: scored?.includes(scenario) ?? true,
      passed: count("SUCCESS"),
      failed: count("FAILURE"),
      warnings: count("WARNING"),
      checks,
    });
  }
  return verdicts;
}

/** A scenario that threw leaves its folder without checks: that is a failure, not an absence. */
async function readChecks(path: string): Promise<Check[]> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Check[];
  } catch (error) {
    return [{ id: "scenario-finished", status: "FAILURE", errorMessage: String(error) }];
  }
}
