import { spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { chown, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { BoundaryOptions, BoundaryReport, Result } from "@sallyport/boundary";
import { CommandFailure } from "../../command-failure.ts";
import type { RunnerLine } from "./runner.ts";

export interface RunnerStart {
  readonly bwrap: string;
  readonly programs: BoundaryOptions["programs"];
  /** A folder for this runner alone, not there yet. */
  readonly folder: string;
  /** Undefined: the present one. */
  readonly uid: number | undefined;
  readonly only: readonly number[] | undefined;
  readonly signal: AbortSignal;
  readonly onResult: (result: Result) => void;
}

const main = join(import.meta.dirname, "../../../main.ts");
const complaintCharacters = 4_000;

/**
 * Runs the list as a process of its own, which has a canary in its environment, a descriptor and its keyring.
 *
 * @throws CommandFailure when it cannot be run with these settings
 */
export async function startRunner(start: RunnerStart): Promise<BoundaryReport> {
  const { bwrap, programs, folder, uid, only, signal, onResult } = start;
  const secret = randomBytes(24).toString("hex");
  const canaryFile = join(folder, "canary");
  await mkdir(folder, { mode: 0o711 });
  await writeFile(canaryFile, secret, { mode: 0o600 });
  if (uid !== undefined) for (const each of [folder, canaryFile]) await chown(each, uid, uid);
  const root = process.geteuid?.() === 0 && uid === undefined;
  const options: BoundaryOptions = {
    driver: {
      bwrap,
      name: `boundary-${randomBytes(4).toString("hex")}`,
      state: join(folder, "state"),
      // Drawn, so that two runs do not meet.
      ...(root ? { uids: { first: 1_000_000 + randomInt(65_536) * 64, count: 64 } } : {}),
    },
    folder: join(folder, "list"),
    programs,
    canary: { secret, planted: true },
    only,
  };
  const node = [process.execPath, "--disable-warning=ExperimentalWarning", main];
  const argv = [...node, "boundary", "runner", JSON.stringify(options)];
  const { runnerCommand } = await import("@sallyport/boundary");
  const { command, args, env } = runnerCommand(argv, { secret, canaryFile });
  const child = spawn(command, args, {
    cwd: "/",
    env,
    stdio: ["ignore", "pipe", "pipe"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const stop = (): void => void child.kill("SIGTERM");
  signal.addEventListener("abort", stop, { once: true });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString()).slice(-complaintCharacters);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  const results: Result[] = [];
  let report: Omit<BoundaryReport, "results"> | undefined;
  let setup: string | undefined;
  const lines = createInterface(child.stdout);
  lines.on("line", (text) => {
    const line = JSON.parse(text) as RunnerLine;
    if ("result" in line) {
      results.push(line.result);
      onResult(line.result);
    } else if ("report" in line) report = line.report;
    else setup = line.setup;
  });
  const code = await ended.finally(() => signal.removeEventListener("abort", stop));
  signal.throwIfAborted();
  if (setup !== undefined)
    throw new CommandFailure("config", `no sandbox can be made here: ${setup}`, {
      fix: "see --bwrap and --state",
    });
  if (report === undefined) throw new Error(`the runner ended with ${code}: ${complaint}`);
  return { ...report, results };
}
