import { execFile } from "node:child_process";
import { join } from "node:path";
import { root } from "./pages.ts";

export interface Ended {
  readonly code: number;
  readonly err: string;
}

/** One of the programs as people start it, in a folder of its own and with an empty environment. */
export function run(
  app: string,
  args: readonly string[],
  { folder, input = "" }: { folder: string; input?: string },
): Promise<Ended> {
  const main = join(root, "apps", app, "main.ts");
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ["--disable-warning=ExperimentalWarning", main, ...args],
      { cwd: folder, env: {}, timeout: 20_000, maxBuffer: 256 * 1024 },
      (error, _out, err) => {
        if (error !== null && typeof error.code !== "number") reject(error);
        else resolve({ code: Number(error?.code ?? 0), err });
      },
    );
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}
