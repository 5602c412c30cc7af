import type { Header } from "tar-stream";
import { namesOf, outward } from "./archive-path.ts";
import { WorkspaceError } from "./workspace-error.ts";

/** An entry of an archive that may pass. */
export interface Entry {
  readonly kind: "file" | "folder" | "link";
  readonly names: readonly string[];
  /** Of links. */
  readonly target: string;
  readonly mode: number;
  /** Seconds. */
  readonly modified: number;
}

const kinds: Readonly<Record<string, Entry["kind"]>> = { file: "file", directory: "folder", symlink: "link" };
/** pax(1) records that only say more of what is judged anyway, or of owners and times, which are not taken over. */
const harmless = /^(?:path|linkpath|size|mtime|atime|ctime|uid|gid|uname|gname|comment|charset|hdrcharset)$/;
const latest = 2 ** 31 - 1;

/** Decides which entries of one archive may pass, in their order. Throws WorkspaceError for one that may not. */
export class EntryJudge {
  /** By path: what was there before, a folder that only stood in a path included. */
  readonly #seen = new Map<string, "file" | "link" | "folder" | "parent">();
  #bytes: number;
  #entries: number;

  constructor({ bytes, entries }: { readonly bytes: number; readonly entries: number }) {
    this.#bytes = bytes;
    this.#entries = entries;
  }

  next(header: Header): Entry {
    const { name: path, size, mode } = header;
    // An unknown one has none, whatever the types say.
    const type: string | null = header.type;
    const refuse = (reason: string): never => {
      throw new WorkspaceError("refused", reason, { path });
    };
    const names = namesOf(path);
    const kind = kinds[type ?? ""] ?? refuse(`neither file, folder nor symbolic link: ${type ?? "unknown"}`);
    const strange = Object.keys(header.pax ?? {}).find((key) => !harmless.test(key));
    if (strange !== undefined) refuse(`an extended attribute or an unknown record: ${strange.slice(0, 100)}`);
    if (!Number.isInteger(mode) || mode < 0) refuse("a mode that is none");
    if ((mode & 0o6000) !== 0) refuse("setuid or setgid");
    if (kind !== "file" && size !== 0) refuse("a folder or link with content");
    if (kind !== "folder" && (names.length === 0 || path.endsWith("/"))) refuse("a folder's name");
    const target = kind === "link" ? header.linkname || "" : "";
    const out = kind === "link" ? outward(target, names.length - 1) : undefined;
    if (out !== undefined) refuse(out);
    if (size > this.#bytes) throw new WorkspaceError("limit", "files too large", { path });
    this.#bytes -= size;
    this.#record(path, names, kind);
    const seconds = Math.floor(header.mtime.getTime() / 1000);
    const modified = Number.isNaN(seconds) ? 0 : Math.min(Math.max(seconds, 0), latest);
    return { kind, names, target, mode: mode & 0o777, modified };
  }

  /** The folders in an entry's path that no entry has made, from the top. */
  missingParents({ names }: Entry): readonly (readonly string[])[] {
    const missing: (readonly string[])[] = [];
    for (let depth = 1; depth < names.length; depth++) {
      const parent = names.slice(0, depth);
      const path = parent.join("/");
      const seen = this.#seen.get(path);
      // Written through, a link would lead where its target says.
      if (seen === "file" || seen === "link")
        throw new WorkspaceError("refused", `below ${seen === "link" ? "a link" : "a file"}`, {
          path: names.join("/"),
        });
      if (seen !== undefined) continue;
      this.#count(path);
      this.#seen.set(path, "parent");
      missing.push(parent);
    }
    return missing;
  }

  #record(path: string, names: readonly string[], kind: Entry["kind"]): void {
    const plain = names.join("/");
    const before = this.#seen.get(plain);
    if (before !== undefined && !(before === "parent" && kind === "folder"))
      throw new WorkspaceError("refused", "named twice", { path });
    if (before === undefined) this.#count(path);
    this.#seen.set(plain, kind);
  }

  #count(path: string): void {
    if (this.#entries === 0) throw new WorkspaceError("limit", "too many entries", { path });
    this.#entries -= 1;
  }
}
