import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** Where commands are looked for unless the server's own `env` says so: nothing of the connector's is inherited. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The program that a command means, as execvp(3) looks for it; undefined when there is none that can be run. */
export function findCommand(
  command: string,
  where: { path: string; cwd: string | undefined },
): string | undefined {
  const folders = command.includes("/") ? [""] : where.path.split(delimiter);
  return folders
    .map((folder) => resolve(where.cwd ?? ".", join(folder, command)))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return statSync(file).isFile();
      } catch {
        return false;
      }
    });
}
