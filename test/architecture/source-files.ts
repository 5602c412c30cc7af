import { readdirSync, readFileSync } from "node:fs";
import { basename, join, relative, sep } from "node:path";
import { type Import, importsOf } from "./imports.ts";
import { type ProcessUse, processUsesOf } from "./process-uses.ts";
import { type Token, tokensOf, UnreadableSource } from "./tokens.ts";

/** A package of the workspace, as far as its imports go. */
export interface Workspace {
  /** `packages/bus`, from the repository's root. */
  readonly folder: string;
  readonly name: string;
  readonly dependencies: ReadonlySet<string>;
  readonly devDependencies: ReadonlySet<string>;
}

export interface SourceFile {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly workspace: Workspace | undefined;
  /** Runs only in development: tests, their fixtures, what is under `test/`. It may use more than what ships. */
  readonly isTest: boolean;
  readonly lines: number;
  readonly imports: readonly Import[];
  readonly processUses: readonly ProcessUse[];
}

export interface Repository {
  readonly files: readonly SourceFile[];
  readonly workspaces: readonly Workspace[];
}

const workspaceParents = ["packages", "apps", "infra", "examples"];

/** Reads every .ts file below these folders that is not installed or generated. */
export function readRepository(root: string): Repository {
  const paths = [...workspaceParents, "test"].flatMap((folder) => filesBelow(root, join(root, folder)));
  const workspaces = paths
    .filter((path) => /^(?:[^/]+\/)?[^/]+\/package\.json$/.test(path))
    .map((path) => readWorkspace(root, path));
  const files = paths
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readSource(root, { path, workspaces }));
  return { files, workspaces };
}

function filesBelow(root: string, folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      const skipped = entry.name === "node_modules" || entry.name === "dist" || entry.name.startsWith(".");
      return skipped ? [] : filesBelow(root, path);
    }
    return [relative(root, path).split(sep).join("/")];
  });
}

function readWorkspace(root: string, path: string): Workspace {
  const manifest = JSON.parse(readFileSync(join(root, path), "utf8")) as Record<string, unknown>;
  const names = (key: string) => new Set(Object.keys((manifest[key] as object | undefined) ?? {}));
  return {
    folder: path.slice(0, -"/package.json".length),
    name: String(manifest.name),
    dependencies: names("dependencies"),
    devDependencies: names("devDependencies"),
  };
}

function readSource(
  root: string,
  { path, workspaces }: { path: string; workspaces: readonly Workspace[] },
): SourceFile {
  const source = readFileSync(join(root, path), "utf8");
  const tokens = readTokens(path, source);
  return {
    path,
    workspace: workspaces.find(({ folder }) => path.startsWith(`${folder}/`)),
    isTest: path.startsWith("test/") || /\.(?:test|fixture)\.ts$/.test(basename(path)),
    lines: source.split("\n").length - 1,
    imports: importsOf(tokens),
    processUses: processUsesOf(tokens),
  };
}

function readTokens(path: string, source: string): Token[] {
  try {
    return tokensOf(source);
  } catch (error) {
    if (error instanceof UnreadableSource) throw new UnreadableSource(`${path}: ${error.message}`);
    throw error;
  }
}
