import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Header, type Pack, pack } from "tar-stream";
import { deepest, namesOf, outward } from "./archive-path.ts";
import { HeldFolder } from "./held-folder.ts";
import { WorkspaceError } from "./workspace-error.ts";

export interface ExportOptions {
  /** Of all files together, by their length: a sparse file counts in full. */
  readonly bytes: number;
  /** Files, folders and links. */
  readonly entries: number;
  /** Called for each entry that must not pass, which is then left out. Without it, the first one ends the export. */
  readonly leaveOut?: (left: WorkspaceError) => void;
}

const pieceBytes = 65_536;
const aheadBytes = 1_048_576;
const latest = 2 ** 31 - 1;

/**
 * The tar archive of a folder that a sandbox writes to: its files, folders and links that stay inside, without owners
 * and extended attributes. Hard links become files of their own. The stream fails with a WorkspaceError.
 */
export function exportArchive(folder: string, options: ExportOptions): Readable {
  const archive = pack();
  const pace = new Pace();
  const walk = new Export(archive, pace, options);
  const filling = HeldFolder.open(folder).then((root) => walk.all(root, []));
  filling.then(
    () => archive.finalize(),
    (cause) => {
      archive.destroy(cause);
      pace.end();
    },
  );
  async function* taken(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of archive as AsyncIterable<Uint8Array>) {
        pace.took(chunk.length);
        yield chunk;
      }
    } finally {
      archive.destroy();
      pace.end();
    }
  }
  return Readable.from(taken(), { objectMode: false });
}

/** Headers alone know no back-pressure: a million empty files would all be in memory at once. */
class Pace {
  #ahead = 0;
  #ended = false;
  #wake: () => void = () => {};

  took(bytes: number): void {
    this.#ahead -= bytes;
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async made(bytes: number): Promise<void> {
    this.#ahead += bytes;
    while (this.#ahead > aheadBytes && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    if (this.#ended) throw new WorkspaceError("changed", "nobody reads the archive any more");
  }
}

class Export {
  readonly #archive: Pack;
  readonly #pace: Pace;
  readonly #leaveOut: ExportOptions["leaveOut"];
  #bytes: number;
  #entries: number;

  constructor(archive: Pack, pace: Pace, { bytes, entries, leaveOut }: ExportOptions) {
    this.#archive = archive;
    this.#pace = pace;
    this.#leaveOut = leaveOut;
    this.#bytes = bytes;
    this.#entries = entries;
  }

  async all(folder: HeldFolder, above: readonly string[]): Promise<void> {
    try {
      const names = await folder.names(this.#entries);
      if (names === undefined)
        throw new WorkspaceError("limit", "too many entries", { path: above.join("/") });
      this.#entries -= names.length;
      for (const name of names) await this.#one(folder, name, above);
    } finally {
      await folder.close();
    }
  }

  async #one(folder: HeldFolder, name: Buffer, above: readonly string[]): Promise<void> {
    const path = [...above, name.toString()];
    try {
      await this.#pass(folder, name, path);
    } catch (cause) {
      if (!(cause instanceof WorkspaceError) || cause.code !== "refused") throw cause;
      if (this.#leaveOut === undefined) throw cause;
      this.#leaveOut(cause);
    }
  }

  async #pass(folder: HeldFolder, name: Buffer, path: readonly string[]): Promise<void> {
    const full = path.join("/");
    namesOf(full);
    const found = await folder.look(name);
    if (found === undefined) return;
    const mode = Number(found.mode);
    const refuse = (reason: string): never => {
      throw new WorkspaceError("refused", reason, { path: full });
    };
    const seconds = Math.min(Math.max(Number(found.mtimeMs / 1000n), 0), latest);
    const head = { name: full, mode: mode & 0o777, mtime: new Date(seconds * 1000) };
    if (!found.isSymbolicLink() && (mode & 0o6000) !== 0) refuse("setuid or setgid");
    if (found.isDirectory()) {
      if (path.length >= deepest) throw new WorkspaceError("limit", "folders too deep", { path: full });
      await this.#head({ ...head, type: "directory" });
      await this.all(await folder.folder(name), path);
    } else if (found.isSymbolicLink()) {
      const linkname = (await folder.link(name)).toString();
      const out = outward(linkname, path.length - 1);
      if (out !== undefined) refuse(out);
      await this.#head({ ...head, type: "symlink", linkname });
    } else if (found.isFile()) {
      const file = await folder.file(name);
      try {
        await this.#file(file, head);
      } finally {
        await file.close();
      }
    } else refuse("neither file, folder nor symbolic link");
  }

  async #head(header: Partial<Header> & { readonly name: string }): Promise<void> {
    this.#archive.entry(header);
    await this.#pace.made(512 + 2 * header.name.length);
  }

  async #file(file: FileHandle, head: Partial<Header> & { readonly name: string }): Promise<void> {
    const { size } = await file.stat();
    if (size > this.#bytes) throw new WorkspaceError("limit", "files too large", { path: head.name });
    this.#bytes -= size;
    const sink = this.#archive.entry({ ...head, type: "file", size });
    await Promise.all([pipeline(pieces(file, size, head.name), sink), this.#pace.made(512 + size)]);
  }
}

/** Exactly as many bytes as the header says, whatever is written to the file meanwhile. */
async function* pieces(file: FileHandle, size: number, path: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < size; ) {
    const piece = Buffer.alloc(Math.min(pieceBytes, size - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new WorkspaceError("changed", "it became shorter while it was read", { path });
    at += bytesRead;
    yield piece.subarray(0, bytesRead);
  }
}
