import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";

/** Who holds the lock, as it told. */
export interface Holder {
  pid: number;
  endpoint?: string;
}

export type Lock = { held: true; release(): void; tell(holder: Holder): void } | { held: false; by: Holder };

/** One stack per state folder. A lock whose process is gone is taken over. */
export function takeLock(folder: string): Lock {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, "lock");
  const write = (holder: Holder, flag: "wx" | "w") => {
    const file = openSync(path, flag, 0o600);
    writeSync(file, JSON.stringify(holder));
    closeSync(file);
  };
  for (let attempt = 1; ; attempt += 1) {
    try {
      write({ pid: process.pid }, "wx");
      return {
        held: true,
        release: () => rmSync(path, { force: true }),
        tell: (holder) => write(holder, "w"),
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST" || attempt === 3) throw error;
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder.pid)) return { held: false, by: holder };
      rmSync(path, { force: true });
    }
  }
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Holder;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
