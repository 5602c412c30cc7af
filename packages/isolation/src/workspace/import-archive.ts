import { constants } from "node:fs";
import { lchown, mkdir, open, readdir, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { HeldFolder } from "./held-folder.ts";
import { type Entry, EntryJudge } from "./judge-entry.ts";
import { wholeArchive } from "./whole-archive.ts";
import { WorkspaceError } from "./workspace-error.ts";

export interface ImportOptions {
  /** An empty folder that nobody else can write to yet. */
  readonly folder: string;
  /** Who shall own what is made; undefined: the runner. */
  readonly owner: number | undefined;
  /** Of all files together. */
  readonly bytes: number;
  /** Files, folders and links. */
  readonly entries: number;
}

/**
 * Fills a folder from a tar archive: files, folders and links that stay inside. An archive is an attacker's word: the
 * first entry that must not pass refuses all of it, and the folder is empty again. Throws WorkspaceError.
 */
export async function importArchive(
  archive: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<void> {
  // First: an entry that comes while something is waited for, with nobody listening yet, is lost.
  const place = new Place(await HeldFolder.open(options.folder), options.owner);
  const tar = extract();
  let broken: unknown;
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      yield* wholeArchive(archive, options);
    } catch (cause) {
      // Once the tar is given up, what is thrown in here is only that.
      if (!tar.destroying) broken = cause;
      throw cause;
    }
  }
  const feed = pipeline(Readable.from(whole()), tar);
  feed.catch(() => {}); // told by the loop below
  try {
    const judge = new EntryJudge(options);
    for await (const stream of tar) {
      const entry = judge.next(stream.header);
      for (const missing of judge.missingParents(entry)) await place.makeFolder(missing, 0o755);
      if (entry.kind === "file") await place.makeFile(entry, stream as AsyncIterable<Uint8Array>);
      else if (entry.kind === "link") await place.makeLink(entry);
      else await place.makeFolder(entry.names, entry.mode);
      stream.resume();
    }
    await feed;
  } catch (cause) {
    tar.destroy();
    for (const name of await readdir(options.folder))
      await rm(join(options.folder, name), { recursive: true, force: true });
    // What ended the archive says more than what that did to the entry in hand.
    throw asWorkspaceError(cause instanceof WorkspaceError ? cause : (broken ?? cause));
  } finally {
    await place.close();
  }
}

function asWorkspaceError(cause: unknown): WorkspaceError {
  if (cause instanceof WorkspaceError) return cause;
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return new WorkspaceError("limit", "no space left", { cause });
  return new WorkspaceError("damaged", message, { cause });
}

/** Where entries are made, one name at a time from the top, each folder on the way held open. */
class Place {
  /** The way down to the folder that was used last: archives name the entries of one folder together. */
  readonly #way: { readonly name: string; readonly folder: HeldFolder }[] = [];
  readonly #root: HeldFolder;
  readonly #owner: number | undefined;

  constructor(root: HeldFolder, owner: number | undefined) {
    this.#root = root;
    this.#owner = owner;
  }

  async makeFolder(names: readonly string[], mode: number): Promise<void> {
    if (names.length === 0) return;
    const { parent, name } = await this.#to(names);
    await mkdir(parent.at(name), { mode: 0o700 }).catch((cause: NodeJS.ErrnoException) => {
      // One that was made as a parent, now named: its mode is set below.
      if (cause.code !== "EEXIST") throw cause;
    });
    const made = await parent.folder(name);
    try {
      if (this.#owner !== undefined) await made.handle.chown(this.#owner, this.#owner);
      await made.handle.chmod(mode);
    } finally {
      await made.close();
    }
  }

  async makeFile({ names, mode, modified }: Entry, content: AsyncIterable<Uint8Array>): Promise<void> {
    const { parent, name } = await this.#to(names);
    const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = constants;
    const file = await open(parent.at(name), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY, 0o600);
    try {
      await file.writeFile(content);
      if (this.#owner !== undefined) await file.chown(this.#owner, this.#owner);
      await file.chmod(mode);
      await file.utimes(modified, modified);
    } finally {
      await file.close();
    }
  }

  async makeLink({ names, target }: Entry): Promise<void> {
    const { parent, name } = await this.#to(names);
    await symlink(target, parent.at(name));
    if (this.#owner !== undefined) await lchown(parent.at(name), this.#owner, this.#owner);
  }

  async #to(names: readonly string[]): Promise<{ parent: HeldFolder; name: Buffer }> {
    const parents = names.slice(0, -1);
    const differs = this.#way.findIndex((step, index) => step.name !== parents[index]);
    if (differs !== -1) await this.#leave(differs);
    for (const name of parents.slice(this.#way.length))
      this.#way.push({ name, folder: await this.#last().folder(Buffer.from(name)) });
    return { parent: this.#last(), name: Buffer.from(names.at(-1) ?? "") };
  }

  #last(): HeldFolder {
    return this.#way.at(-1)?.folder ?? this.#root;
  }

  async #leave(depth: number): Promise<void> {
    for (const { folder } of this.#way.splice(depth)) await folder.close();
  }

  async close(): Promise<void> {
    await this.#leave(0);
    await this.#root.close();
  }
}
