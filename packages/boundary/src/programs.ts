import { chmod, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { buildAgent } from "@sallyport/sandbox-agent";

/** Paths of static programs that anybody may read: the real agent, and what the attacks run. */
export interface Programs {
  readonly agent: string;
  readonly attack: string;
}

/**
 * Built at most once, and put where a sandbox's user can pass: the cache may be in somebody's private folder.
 *
 * @throws BuildAgentError
 */
export async function buildPrograms(where: { cacheFolder: string; folder: string }): Promise<Programs> {
  const { cacheFolder, folder } = where;
  const source = join(import.meta.dirname, "../inside/attack.c");
  const built = {
    agent: await buildAgent({ cacheFolder }),
    attack: await buildAgent({ cacheFolder, source }),
  };
  const programs = { agent: join(folder, "agent"), attack: join(folder, "attack") };
  for (const name of ["agent", "attack"] as const) {
    await copyFile(built[name], programs[name]);
    await chmod(programs[name], 0o755);
  }
  return programs;
}
