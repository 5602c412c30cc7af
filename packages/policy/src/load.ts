import { readdir, readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { PolicyError, type PolicyFile } from "./policy-error.ts";

const MAX_FILE_BYTES = 1 << 20;

/**
 * Reads `*.cedar` of each directory (not below it) and each file named. Throws PolicyError for anything unclear; a process
 * that cannot read its policies must not start.
 */
export async function readPolicies(dirsOrFiles: readonly string[]): Promise<readonly PolicyFile[]> {
  const paths = (await Promise.all(dirsOrFiles.map(policyPaths))).flat();
  return await Promise.all(paths.map(readPolicyFile));
}

async function policyPaths(path: string): Promise<readonly string[]> {
  if (!(await stat(path).catch(unreadable(path))).isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => name.endsWith(".cedar")).sort();
  if (names.length === 0) throw trouble(path, "the directory holds no *.cedar file");
  return names.map((name) => join(path, name));
}

async function readPolicyFile(path: string): Promise<PolicyFile> {
  const bytes = await readFile(path).catch(unreadable(path));
  if (bytes.byteLength > MAX_FILE_BYTES)
    throw trouble(path, `the file is larger than ${MAX_FILE_BYTES} bytes`);
  try {
    return { name: basename(path), text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch {
    throw trouble(path, "the file is not valid UTF-8");
  }
}

function unreadable(path: string): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    throw trouble(path, `cannot be read: ${code}`);
  };
}

function trouble(file: string, problem: string): PolicyError {
  return new PolicyError(problem, { file, line: 0, column: 0, source: "" });
}
