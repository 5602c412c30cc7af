import type { BigIntStats } from "node:fs";
import { deepest } from "./archive-path.ts";
import { HeldFolder } from "./held-folder.ts";

export interface WorkspaceChange {
  /** Below the workspace. Hostile text; what is not UTF-8 is replaced. */
  readonly path: string;
  /** `changed`: written, or its mode, owner or times set. `removed` stands for all that was below, too. */
  readonly change: "added" | "changed" | "removed";
  /** Of what is there now; of what was there, for `removed`. */
  readonly kind: "file" | "folder" | "link" | "other";
  /** Of files, their length; else 0. */
  readonly bytes: number;
}

export interface WorkspaceDiff {
  /** In the order of their paths, folder by folder. */
  readonly changes: readonly WorkspaceChange[];
  /** False when there was more than was asked for, or folders too deep to enter. */
  readonly complete: boolean;
}

export interface DiffOptions {
  /** Looked at, and so at most in the answer. Default: 100 000. */
  readonly entries?: number;
}

/** Where a workspace is: what the sandbox wrote, what it sees, and what was there before it. */
export interface Layers {
  readonly upper: string;
  readonly merged: string;
  readonly base: string | undefined;
}

/**
 * What changed against the base. Only folders that the sandbox's layer has are looked at: what is not in it is as it was.
 * Whether something is gone is asked of the merged view, so whiteouts and opaque folders need no reading of their own.
 */
export async function diffWorkspace(
  { upper, merged, base }: Layers,
  { entries = 100_000 }: DiffOptions,
): Promise<WorkspaceDiff> {
  const diff = new Diff(entries);
  const held = new Held();
  try {
    await diff.folder(
      {
        upper: held.keep(await HeldFolder.open(upper)),
        merged: held.keep(await HeldFolder.open(merged)),
        base: base === undefined ? undefined : held.keep(await HeldFolder.open(`${base}/.`)),
      },
      [],
    );
  } finally {
    await held.close();
  }
  return { changes: diff.changes, complete: diff.complete };
}

interface Level {
  readonly upper: HeldFolder;
  readonly merged: HeldFolder;
  readonly base: HeldFolder | undefined;
}

class Diff {
  readonly changes: WorkspaceChange[] = [];
  complete = true;
  #left: number;

  constructor(entries: number) {
    this.#left = entries;
  }

  async folder(level: Level, above: readonly string[]): Promise<void> {
    const written = await this.#names(level.upper);
    const before = level.base === undefined ? [] : await this.#names(level.base);
    const names = new Map([...written, ...before].map((name) => [name.toString("latin1"), name]));
    const changed = new Set(written.map((name) => name.toString("latin1")));
    for (const [key, name] of [...names].sort(([a], [b]) => (a < b ? -1 : 1)))
      await this.#one(level, { name, written: changed.has(key), path: [...above, name.toString()] });
  }

  async #one(
    level: Level,
    { name, written, path }: { name: Buffer; written: boolean; path: readonly string[] },
  ): Promise<void> {
    const [now, was] = await Promise.all([level.merged.look(name), level.base?.look(name)]);
    if (now === undefined) {
      if (was !== undefined) this.#say(path, "removed", was);
      return;
    }
    if (!written) return;
    const both = was?.isDirectory() === true && now.isDirectory();
    // A folder is copied up with whatever is written below it: only its own mode tells that it changed.
    if (!both || was?.mode !== now.mode) this.#say(path, was === undefined ? "added" : "changed", now);
    if (now.isDirectory()) await this.#below(level, { name, both, path });
  }

  async #below(
    level: Level,
    { name, both, path }: { name: Buffer; both: boolean; path: readonly string[] },
  ): Promise<void> {
    if (path.length >= deepest) {
      this.complete = false;
      return;
    }
    const held = new Held();
    try {
      await this.folder(
        {
          upper: held.keep(await level.upper.folder(name)),
          merged: held.keep(await level.merged.folder(name)),
          base: both && level.base ? held.keep(await level.base.folder(name)) : undefined,
        },
        path,
      );
    } catch (cause) {
      // Gone, or no folder any more: the sandbox goes on while it is looked at.
      const { code = "" } = cause as NodeJS.ErrnoException;
      if (!["ENOENT", "ENOTDIR", "ELOOP"].includes(code)) throw cause;
      this.complete = false;
    } finally {
      await held.close();
    }
  }

  async #names(folder: HeldFolder): Promise<readonly Buffer[]> {
    const names = await folder.names(this.#left);
    if (names === undefined) this.complete = false;
    this.#left -= names?.length ?? 0;
    return names ?? [];
  }

  #say(path: readonly string[], change: WorkspaceChange["change"], of: BigIntStats): void {
    const kind = of.isFile() ? "file" : of.isDirectory() ? "folder" : of.isSymbolicLink() ? "link" : "other";
    this.changes.push({ path: path.join("/"), change, kind, bytes: kind === "file" ? Number(of.size) : 0 });
  }
}

class Held {
  readonly #folders: HeldFolder[] = [];

  keep(folder: HeldFolder): HeldFolder {
    this.#folders.push(folder);
    return folder;
  }

  async close(): Promise<void> {
    for (const folder of this.#folders) await folder.close();
  }
}
