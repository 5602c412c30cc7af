import { execFile } from "node:child_process";
import { join } from "node:path";
import { root } from "./pages.ts";

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * One of the programs as people start it, in a folder of its own and with an empty environment.
 *
 * @param app of `apps`, or a path such as `infra/nats`
 */
export function run(
  app: string,
  args: readonly string[],
  { folder, input = "", patience = 20_000 }: { folder: string; input?: string; patience?: number },
): Promise<Ended> {
  const main = join(root, app.includes("/") ? app : join("apps", app), "main.ts");
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", main, ...args],
      { cwd: folder, env: {}, timeout: patience, maxBuffer: 256 * 1024 },
      (error, out, err) => {
        if (error !== null && typeof error.code !== "number") reject(error);
        else resolve({ code: Number(error?.code ?? 0), out, err });
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
