import { execFile } from "node:child_process";
import { cp, link, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { forget, remember } from "../process/launched.ts";
import { programOnPath } from "../tools/find-tool.ts";
import type { GoProvider } from "./build-provider.ts";
import { NotToBeHad } from "./not-to-be-had.ts";

const run = promisify(execFile);

export interface TerraformOptions {
  /** The folder of the root. It is copied: state, lock file and variables are in the copy. */
  readonly root: string;
  readonly provider: GoProvider;
  /** Its program, from `buildProvider`. */
  readonly program: string;
  /** For the provider: `VAULT_ADDR`, … Nothing else of ours is inherited. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Values, or the path of a file with them. */
type Variables = Readonly<Record<string, unknown>> | string;

/** A copy of a root, initialised, with a state of its own. */
export interface Terraform {
  apply(variables: Variables): Promise<void>;
  /** What a plan would do now, one line for each resource; empty when there is nothing to do. */
  plan(variables: Variables): Promise<string[]>;
  destroy(variables: Variables): Promise<void>;
  output<T>(): Promise<T>;
  /** Run the root's `tests/`, and answer what was printed. Throws when one fails. */
  test(): Promise<string>;
  close(): Promise<void>;
}

/** Terraform 1.`minor` or newer on PATH. Throws NotToBeHad. */
export async function findTerraform(minor = 9): Promise<string> {
  const needed = `version 1.${minor} or newer is needed`;
  const program = await programOnPath("terraform");
  if (program === undefined) throw new NotToBeHad(`there is no terraform on PATH: ${needed}`);
  // Without it, even this would ask the maker for a newer version, and write down the answer in this user's home.
  const env = { PATH: "/usr/bin:/bin", CHECKPOINT_DISABLE: "1" };
  const { stdout } = await run(program, ["version", "-json"], { timeout: 60_000, env });
  const { terraform_version: version } = JSON.parse(stdout) as { terraform_version: string };
  const [major = 0, found = 0] = version.split(".").map(Number);
  if (major < 1 || (major === 1 && found < minor))
    throw new NotToBeHad(`terraform on PATH is ${version}: ${needed}`);
  return program;
}

/** Make the copy and initialise it with the provider that was built, without a registry. */
export async function openTerraform(options: TerraformOptions): Promise<Terraform> {
  const terraform = await findTerraform();
  const folder = await mkdtemp(join(tmpdir(), "sallyport-terraform-"));
  const root = join(folder, "root");
  const call = async (args: readonly string[]): Promise<string> => {
    const env = { PATH: "/usr/bin:/bin", HOME: folder, CHECKPOINT_DISABLE: "1", TF_IN_AUTOMATION: "1" };
    const { stdout } = await run(terraform, [...args], {
      cwd: root,
      env: { ...env, ...options.env },
      timeout: 300_000,
      maxBuffer: 16 * 1_048_576,
    }).catch((error: { stderr?: string; stdout?: string }) => {
      // Terraform itself leaves out what is marked as sensitive.
      throw new Error(`terraform ${args[0]}: ${error.stdout ?? ""}${error.stderr ?? String(error)}`);
    });
    return stdout;
  };
  /** In a file of lines, outside the root: an error shows one line, and `terraform test` does not read it. */
  const withVariables = async (variables: Variables, [command = "", ...rest]: readonly string[]) => {
    const file = typeof variables === "string" ? variables : join(folder, "variables.tfvars.json");
    if (typeof variables !== "string")
      await writeFile(file, JSON.stringify(variables, undefined, 1), { mode: 0o600 });
    return await call([command, "-input=false", "-no-color", `-var-file=${file}`, ...rest]);
  };
  const close = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true });
    forget(launched);
  };
  const launched = { name: "terraform", pid: () => undefined, temporaryFolder: folder, stop: close };
  remember(launched);
  try {
    const kept = new Set(["node_modules", "src"]);
    await cp(options.root, root, {
      recursive: true,
      filter: (path) =>
        path === options.root || !(kept.has(basename(path)) || basename(path).startsWith(".")),
    });
    const plugins = join(folder, "plugins");
    const host = hostIn(await call(["providers"]), options.provider.source);
    const at = join(plugins, host, options.provider.source, options.provider.version, platform());
    await mkdir(at, { recursive: true });
    const name = `terraform-provider-${basename(options.provider.source)}_v${options.provider.version}`;
    await link(options.program, join(at, name)).catch(() => cp(options.program, join(at, name)));
    await call(["init", "-input=false", "-no-color", `-plugin-dir=${plugins}`]);
  } catch (error) {
    await close();
    throw error;
  }
  const apply = ["apply", "-auto-approve"];
  return {
    apply: async (variables) => void (await withVariables(variables, apply)),
    destroy: async (variables) => void (await withVariables(variables, [...apply, "-destroy"])),
    plan: async (variables) => {
      const plan = join(folder, "plan");
      await withVariables(variables, ["plan", `-out=${plan}`]);
      const json = JSON.parse(await call(["show", "-json", plan])) as PlanJson;
      return [
        ...(json.resource_changes ?? []).map(({ address, change }) => line(address, change)),
        ...Object.entries(json.output_changes ?? {}).map(([name, change]) => line(`output ${name}`, change)),
      ].filter((text) => !text.startsWith("no-op "));
    },
    output: async <T>() => {
      const outputs = JSON.parse(await call(["output", "-json"])) as Record<string, { value: unknown }>;
      return Object.fromEntries(Object.entries(outputs).map(([name, { value }]) => [name, value])) as T;
    },
    test: () => call(["test", "-no-color"]),
    close,
  };
}

interface Change {
  readonly actions: readonly string[];
  readonly before?: unknown;
  readonly after?: unknown;
}

interface PlanJson {
  readonly resource_changes?: readonly { readonly address: string; readonly change: Change }[];
  readonly output_changes?: Readonly<Record<string, Change>>;
}

/** `update vault_policy.broker: policy`, with names of arguments and never a value. */
function line(address: string, { actions, before, after }: Change): string {
  const what = `${actions.join(" and ")} ${address}`;
  if (!isRecord(before) || !isRecord(after)) return what;
  const changed = Object.keys({ ...before, ...after }).filter(
    (name) => !isDeepStrictEqual(before[name], after[name]),
  );
  return changed.length === 0 ? what : `${what}: ${changed.join(", ")}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Terraform knows where a source without a host is looked for; a folder of plugins has that host in its path. */
function hostIn(providers: string, source: string): string {
  const host = new RegExp(`provider\\[([a-z0-9.-]+)/${source}\\]`).exec(providers)?.[1];
  if (host === undefined) throw new Error(`terraform providers names no ${source}:\n${providers}`);
  return host;
}

function platform(): string {
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  return `${process.platform}_${architecture}`;
}
