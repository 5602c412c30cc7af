import { execFile } from "node:child_process";
import { glob } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CommandFailure } from "../../command-failure.ts";

const run = promisify(execFile);
const usual = ["/usr/local/bin/bwrap", "/usr/bin/bwrap"];
/** Where the local stack keeps what it fetched. */
const fetched = join(import.meta.dirname, "../../../../../.cache/tools");

/** A bubblewrap of 0.11 or later: the one that was named, or the first that is there. */
export async function findBwrap(named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  for (const place of usual) if (await newEnough(place)) return place;
  for await (const place of glob("bwrap-*/**/bwrap", { cwd: fetched }))
    if (await newEnough(join(fetched, place))) return join(fetched, place);
  throw new CommandFailure("config", "there is no bubblewrap of version 0.11 or later", {
    setting: "--bwrap",
    fix: "install it (Debian 13, Fedora 42: bubblewrap), run `pnpm dev` once, which fetches it, or name one with --bwrap",
  });
}

async function newEnough(bwrap: string): Promise<boolean> {
  const { stdout } = await run(bwrap, ["--version"], { timeout: 5_000 }).catch(() => ({ stdout: "" }));
  const [, major, minor] = /^bubblewrap (\d+)\.(\d+)/.exec(stdout) ?? [];
  return Number(major) > 0 || Number(minor) >= 11;
}
