import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { App } from "@sallyport/runtime";

const everyMs = 1_000;

export interface Followed {
  /** What readiness calls it. */
  name: string;
  /** Files, and folders with all that is in them. */
  paths: readonly string[];
  /** Reads them. Throws, or returns what is wrong: then what was read before goes on holding, as far as it says so. */
  read(): Promise<readonly string[]> | readonly string[];
}

/**
 * Settings that change while a process runs: keys, credentials, whom it believes. They are read again within about a second
 * of a change; what is wrong is logged once and makes the process not ready until it is mended.
 */
export function followFiles(app: Pick<App, "use" | "log" | "health">, { name, paths, read }: Followed): void {
  let seen = "";
  let problem: string | undefined;
  let reading: Promise<void> | undefined;
  const look = async () => {
    const stamp = stampOf(paths);
    if (stamp === seen) return;
    const problems = await Promise.resolve()
      .then(read)
      .catch((error: unknown) => [error instanceof Error ? error.message : String(error)]);
    problem = problems.length > 0 ? problems.join("; ") : undefined;
    seen = stamp;
    if (problem !== undefined) app.log.error({ problem }, `${name} cannot be used as it is now`);
  };
  const timer = setInterval(() => {
    reading ??= look().finally(() => {
      reading = undefined;
    });
  }, everyMs);
  app.health.check(name, () => (problem === undefined ? "ok" : { problem }));
  const close = async () => {
    clearInterval(timer);
    await reading;
  };
  app.use({ close }, name);
}

/** Changes with each file that is written, replaced, added or removed. What cannot be looked at is for `read` to tell. */
function stampOf(paths: readonly string[]): string {
  try {
    return paths.flatMap((path) => [stampOfOne(path), ...inside(path).map(stampOfOne)]).join(" ");
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}

function stampOfOne(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? `${path} gone` : `${path} ${stat.ino} ${stat.mtimeMs} ${stat.size}`;
}

function inside(path: string): string[] {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(path)
    .sort()
    .map((name) => join(path, name));
}
