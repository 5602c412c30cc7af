import { existsSync, type Stats, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { fromConfigFolder } from "../config/config-folder.ts";
import { Secret } from "./secret.ts";

const maxBytes = 64 * 1024;

/** A secret on disk. It is read when it is needed, so that a rotated file takes effect on the next use. */
export class SecretFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** The file's bytes without one trailing line end. Its permissions are checked again: a file can be replaced. */
  async read(): Promise<Secret> {
    const file = await open(this.path, "r");
    try {
      const stat = await file.stat();
      const problem = permissionProblem(stat);
      if (problem !== undefined) throw new Error(`secret file ${this.path}: ${problem}`);
      const bytes = new Uint8Array(Math.min(stat.size, maxBytes));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return new Secret(bytes.subarray(0, withoutLineEnd(bytes, bytesRead)));
    } finally {
      await file.close();
    }
  }
}

/**
 * A setting that holds a secret: the path of a file that nobody else can read, as text or `{ file: path }`. The secret
 * itself is refused, and what was found is not repeated in the error, because it may be one.
 */
export function secretFile() {
  return z.unknown().transform((value, context) => {
    const path = pathIn(value);
    const full = path === undefined ? undefined : fromConfigFolder(path);
    const fault = full === undefined ? noPath(value) : fileProblem(full);
    if (full !== undefined && fault === undefined) return new SecretFile(full);
    context.addIssue({
      code: "custom",
      message: fault ?? noPath(value),
      params: { secret: true },
      input: undefined,
    });
    return z.NEVER;
  });
}

function noPath(value: unknown): string {
  return value === undefined
    ? "missing; expected the path of a file"
    : "expected the path of a file, not the secret itself: put it in a file, chmod 600";
}

function pathIn(value: unknown): string | undefined {
  const isWrapped = typeof value === "object" && value !== null && Object.keys(value).join() === "file";
  const path = isWrapped ? (value as { file: unknown }).file : value;
  return typeof path === "string" && path !== "" && path.length <= 4096 ? path : undefined;
}

function fileProblem(path: string): string | undefined {
  const stat = statOf(path);
  if (stat !== undefined) return permissionProblem(stat, path);
  // Only a path whose folder exists is surely a path; anything else may be a secret written inline.
  const named = existsSync(dirname(path)) && dirname(path) !== fromConfigFolder(".") ? ` ${path}` : "";
  return `no such file${named}; expected the path of a file that holds the secret, not the secret itself`;
}

/** Undefined for what is not there and for what can be no path: a long key is a file name too long. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function permissionProblem(
  stat: { isFile(): boolean; mode: number; size: number },
  path?: string,
): string | undefined {
  const name = path === undefined ? "it" : path;
  if (!stat.isFile()) return `${name} is not a regular file`;
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
    return `${name} has mode ${mode}, so others can read it; run chmod 600 ${path ?? "on it"}`;
  }
  if (stat.size === 0) return `${name} is empty`;
  return stat.size > maxBytes ? `${name} is larger than ${maxBytes} bytes` : undefined;
}

function withoutLineEnd(bytes: Uint8Array, length: number): number {
  if (length === 0 || bytes[length - 1] !== 0x0a) return length;
  return length > 1 && bytes[length - 2] === 0x0d ? length - 2 : length - 1;
}
