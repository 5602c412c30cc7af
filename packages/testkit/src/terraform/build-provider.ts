import { access, copyFile, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { runTask, type TaskEnd } from "../process/task.ts";
import { NotToBeHad } from "./not-to-be-had.ts";

const repository = join(import.meta.dirname, "../../../..");

/** A provider that is built from its source: `go.mod` and `go.sum` beside this file pin every module by hash. */
export interface GoProvider {
  /** As a configuration names it, `hashicorp/vault`. */
  readonly source: string;
  readonly version: string;
  /** The Go package of its program. */
  readonly program: string;
  /** Folder beside this file. */
  readonly pins: string;
}

/** The oldest that knows all that `infra/vault` uses, and the newest that the proxy of Go modules has. */
export const vaultProvider: GoProvider = {
  source: "hashicorp/vault",
  version: "3.3.1",
  program: "github.com/hashicorp/terraform-provider-vault",
  pins: "vault",
};

export interface BuildOptions {
  readonly cache?: string;
  /** Told in words when something slow happens. */
  readonly onProgress?: (text: string) => void;
}

/**
 * The path of the provider's program: from the repository's cache, else built into it, which takes about three
 * minutes of processor time. Modules come from where Go is told to take them. What was needed for building goes
 * again. Throws NotToBeHad where there is no Go, or no way to the modules.
 */
export async function buildProvider(provider: GoProvider, options: BuildOptions = {}): Promise<string> {
  const cache = options.cache ?? join(repository, ".cache/tools");
  const home = join(cache, `terraform-provider-${provider.pins}-${provider.version}`);
  const program = join(home, "provider");
  if (await exists(program)) return program;

  options.onProgress?.(`Building Terraform's ${provider.source} ${provider.version} (once) into ${home}`);
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, `.terraform-provider-${provider.pins}-`));
  try {
    for (const file of ["go.mod", "go.sum"])
      await copyFile(join(import.meta.dirname, provider.pins, file), join(work, file));
    await goBuild(provider, work);
    await mkdir(join(work, "home"));
    await rename(join(work, "built"), join(work, "home/provider"));
    await rename(join(work, "home"), home).catch(async (error: unknown) => {
      if (!(await exists(program))) throw error; // else another caller was first, with the same content
    });
    return program;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Go's own caches would keep more than a gigabyte: it gets some for this build alone. */
async function goBuild(provider: GoProvider, work: string): Promise<void> {
  const folders = ["GOPATH", "GOMODCACHE", "GOCACHE", "GOTMPDIR"];
  await Promise.all(folders.map((name) => mkdir(join(work, name))));
  const own = folders.map((name) => `${name}=${join(work, name)}`);
  const flags = ["-mod=readonly", "-modcacherw", "-buildvcs=false", "-trimpath", "-ldflags=-s -w"];
  const build = ["build", ...flags, "-o", join(work, "built"), provider.program];
  // Where Go's own installer puts it, which a shell's profile alone has on its PATH. It takes minutes: others go first.
  const go = ["nice", "-n", "19", "sh", "-c", 'PATH="$PATH:/usr/local/go/bin"; exec go "$@"', "go"];
  const task = { command: "env", args: [...own, "CGO_ENABLED=0", ...go, ...build], folder: work };
  const end = await runTask({ ...task, within: 1_800_000 });
  if (end.code === 0) return;
  const what = `Terraform's ${provider.source} ${provider.version} cannot be built`;
  const why = whyUnavailable(end);
  throw why === undefined ? new Error(`${what}:\n${end.stderr}`) : new NotToBeHad(`${what}: ${why}`);
}

/** What a machine lacks, in words; undefined when the build itself is at fault, which nobody may overlook. Pure. */
export function whyUnavailable({ code, stderr }: TaskEnd): string | undefined {
  const said = stderr.trim().split("\n").slice(-3).join("\n");
  if (code === 127)
    return "there is no go on PATH, nor in /usr/local/go/bin (Debian: apt install golang; Fedora: dnf install golang; macOS: brew install go)";
  if (/go\.mod requires go >= |invalid go version|unknown block type: tool/.test(said))
    return `go is too old:\n${said}`;
  const unreachable =
    /dial tcp|no such host|connection refused|i\/o timeout|TLS handshake timeout|proxyconnect|module lookup disabled|: (?:40[34]|410|50\d) /;
  return unreachable.test(said) ? `the modules are out of reach:\n${said}` : undefined;
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
