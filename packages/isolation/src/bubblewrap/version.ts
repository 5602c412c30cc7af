import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { IsolationError } from "../isolation-error.ts";

const run = promisify(execFile);

/** Overlays, and the fixes of the arguments used here, came with 0.11. Throws IsolationError("setup"). */
export async function assertVersion(bwrap: string): Promise<void> {
  const said = await run(bwrap, ["--version"], { timeout: 10_000, maxBuffer: 4_096, env: {} }).catch(
    (cause) => {
      throw new IsolationError("setup", `bwrap: ${bwrap} could not be run`, { cause });
    },
  );
  const [, major, minor] = /^bubblewrap (\d+)\.(\d+)/.exec(said.stdout) ?? [];
  if (major === undefined || (Number(major) === 0 && Number(minor) < 11))
    throw new IsolationError(
      "setup",
      `bwrap: ${bwrap} is not bubblewrap 0.11 or later: ${said.stdout.trim()}`,
    );
}
