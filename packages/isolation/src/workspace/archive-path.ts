import { WorkspaceError } from "./workspace-error.ts";

const pathBytes = 4_095;
const nameBytes = 255;
/** Folders one below another. Each open one costs the runner up to three descriptors. */
export const deepest = 100;

/**
 * Pure: the names of an entry's path from the workspace down; none for the workspace itself. Refuses what leads out of
 * it or has a second spelling.
 */
export function namesOf(path: string): readonly string[] {
  const refuse = (reason: string): never => {
    throw new WorkspaceError("refused", reason, { path });
  };
  if (path.startsWith("/")) refuse("an absolute path");
  if (path.includes("\0")) refuse("a NUL in a name");
  // What was not UTF-8 was decoded to this: two names could become one.
  if (path.includes("\ufffd")) refuse("a name that is not UTF-8");
  if (Buffer.byteLength(path) > pathBytes) throw new WorkspaceError("limit", "a path too long", { path });
  // As `tar -C folder .` writes them.
  const plain = path.replace(/^\.\//, "").replace(/\/$/, "");
  if (plain === "" || plain === ".") return [];
  const names = plain.split("/");
  if (names.includes("..")) refuse("a path with ..");
  if (names.includes("") || names.includes(".")) refuse("a path with a second spelling");
  if (names.length > deepest) throw new WorkspaceError("limit", "folders too deep", { path });
  if (names.some((name) => Buffer.byteLength(name) > nameBytes))
    throw new WorkspaceError("limit", "a name too long", { path });
  return names;
}

/**
 * Pure: why a symbolic link must not pass, if it must not. It may go up no further than its own place is deep, and only
 * first: after a name `..` is refused, because that name may itself be a link, and then `..` is the parent of where it
 * leads. So of many links each stays inside, whatever they make together.
 */
export function outward(target: string, depth: number): string | undefined {
  if (target === "" || target.includes("\0") || target.includes("\ufffd")) return "a link that leads nowhere";
  if (Buffer.byteLength(target) > pathBytes) return "a link too long";
  if (target.startsWith("/")) return "an absolute link";
  const names = target.split("/");
  const below = names.findIndex((name) => name !== "..");
  const up = below === -1 ? names.length : below;
  if (up > depth) return "a link out of the workspace";
  if (names.slice(up).includes("..")) return "a link with .. after a name";
  return undefined;
}
