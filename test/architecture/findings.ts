import { basename, dirname, posix } from "node:path";
import { layerOf, reachesInside } from "./layers.ts";
import { onlyHere } from "./only-here.ts";
import type { Repository, SourceFile, Workspace } from "./source-files.ts";

/** One breach of the direction table, as a person reads it. */
export interface Finding {
  readonly at: string;
  readonly problem: string;
  readonly because: string;
}

const maxLines = 350;
const vagueName = /^(?:.*-)?(?:utils?|helpers?|common|manager)(?:\.[a-z]+)*\.ts$/;

/** Everything in this repository that is against the table. */
export function findingsIn(repository: Repository): Finding[] {
  return repository.files.flatMap((file) => [
    ...shape(file),
    ...onlyHereFindings(file),
    ...file.imports.flatMap(({ from, line }) => {
      if (from === undefined) return [];
      const at = `${file.path}:${line}`;
      return from.startsWith(".")
        ? crossing(repository, { file, from, at })
        : workspaceImport(repository, { file, from, at });
    }),
  ]);
}

/** The exceptions of the table that no file needs: what is allowed for nobody will be used by somebody. */
export function needlessExceptions(repository: Repository): string[] {
  const stillInside = Object.keys(reachesInside)
    .filter((prefix) => {
      const files = repository.files.filter((file) => file.path.startsWith(prefix));
      return !files.some((file) =>
        file.imports.some(({ from }) => from && ownerOf(repository, { file, from })),
      );
    })
    .map((prefix) => `${prefix} reaches into no other package`);
  const stillOnly = onlyHere.flatMap(({ what, uses, except }) =>
    Object.keys(except)
      .filter(
        (prefix) => !repository.files.some((file) => file.path.startsWith(prefix) && uses(file).length > 0),
      )
      .map((prefix) => `${prefix} uses no ${what}`),
  );
  return [...stillInside, ...stillOnly];
}

function shape(file: SourceFile): Finding[] {
  const found: Finding[] = [];
  if (vagueName.test(basename(file.path))) {
    found.push({
      at: file.path,
      problem: "is named after no idea",
      because: "a file called utils, helpers, common or manager collects what nobody looks for there",
    });
  }
  if (!file.isTest && file.lines > maxLines) {
    found.push({
      at: file.path,
      problem: `has ${file.lines} lines, more than ${maxLines}`,
      because: "one idea fits a file that is read in one go: split it",
    });
  }
  return found;
}

function onlyHereFindings(file: SourceFile): Finding[] {
  return onlyHere.flatMap((rule) => {
    if (rule.tests !== undefined && file.isTest) return [];
    if ([...rule.here, ...Object.keys(rule.except)].some((prefix) => file.path.startsWith(prefix))) return [];
    return rule.uses(file).map((line) => ({
      at: `${file.path}:${line}`,
      problem: `uses ${rule.what}${rule.here.length > 0 ? `, which only ${rule.here.join(", ")} may` : ""}`,
      because: rule.because,
    }));
  });
}

interface Named {
  readonly file: SourceFile;
  readonly from: string;
  readonly at: string;
}

/** The other package, or the root, that a relative import reaches. */
function ownerOf(repository: Repository, { file, from }: Omit<Named, "at">): string | undefined {
  if (!from.startsWith(".")) return undefined;
  const target = posix.join(dirname(file.path), from);
  const owner = repository.workspaces.find(({ folder }) => target.startsWith(`${folder}/`));
  return owner === file.workspace ? undefined : (owner?.folder ?? "the root");
}

function crossing(repository: Repository, { file, from, at }: Named): Finding[] {
  if (Object.keys(reachesInside).some((prefix) => file.path.startsWith(prefix))) return [];
  if (file.workspace === undefined || ownerOf(repository, { file, from }) === undefined) return [];
  return [
    {
      at,
      problem: `reaches by ${from} out of ${file.workspace.folder}`,
      because: "a package is used by its name: what its index.ts does not export is its own",
    },
  ];
}

function workspaceImport(repository: Repository, named: Named): Finding[] {
  const { file, from, at } = named;
  const target = repository.workspaces.find(({ name }) => from === name || from.startsWith(`${name}/`));
  if (target === undefined) {
    if (!from.startsWith("@sallyport/")) return [];
    return [{ at, problem: `imports ${from}`, because: "no package of the workspace has that name" }];
  }
  if (file.workspace === undefined || target === file.workspace) return [];
  return [...againstLayers(target, named), ...undeclared({ owner: file.workspace, target }, named)];
}

function againstLayers(target: Workspace, { file, from, at }: Named): Finding[] {
  const layer = layerOf(file);
  if (layer?.may.test(target.folder) || (file.isTest && layer?.testsMayToo?.test(target.folder))) return [];
  return [{ at, problem: `imports ${from}`, because: layer?.because ?? "its folder is in no layer" }];
}

function undeclared(
  { owner, target }: { owner: Workspace; target: Workspace },
  { file, from, at }: Named,
): Finding[] {
  if (owner.dependencies.has(target.name)) return [];
  if (file.isTest && owner.devDependencies.has(target.name)) return [];
  const inDev = owner.devDependencies.has(target.name);
  return [
    {
      at,
      problem: `imports ${from}, which ${owner.folder}/package.json ${inDev ? "has for tests only" : "does not declare"}`,
      because:
        "what a package needs is in its own package.json, or it runs only where others happen to install it",
    },
  ];
}
