import { execFile } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual, promisify } from "node:util";
import { findTerraform, type Moto, NotToBeHad, startMoto } from "@sallyport/testkit";
import type { Shown, ZoneName } from "../index.ts";

const run = promisify(execFile);
const infra = join(import.meta.dirname, "../..");
const provider = "hashicorp/aws/5.100.0";
/** Where people and packages put providers that Terraform is not to fetch. */
const usualFolders = ["/opt", "/usr/local/share", "/usr/share", join(homedir(), ".terraform.d")];

/** What the tests of the roots need of this machine. */
export interface Tools {
  readonly terraform: string;
  readonly plugins: string;
}

/** Or why these tests cannot run here: then they are skipped, by name. */
async function tools(): Promise<Tools | { readonly missing: string }> {
  try {
    const terraform = await findTerraform(11);
    return { terraform, plugins: await pluginFolder(terraform) };
  } catch (error) {
    if (!(error instanceof NotToBeHad)) throw error;
    console.warn(`SKIPPED: Terraform roots of the zones are not tested: ${error.message}`);
    return { missing: error.message };
  }
}

/** As `tools`, and a server for them to talk to. */
export async function toolsAndMoto(): Promise<
  (Tools & { readonly moto: Moto }) | { readonly missing: string }
> {
  const found = await tools();
  if ("missing" in found) return found;
  try {
    return { ...found, moto: await startMoto((text) => console.warn(text)) };
  } catch (error) {
    if (!(error instanceof NotToBeHad)) throw error;
    console.warn(`SKIPPED: Terraform roots of the zones are not applied: ${error.message}`);
    return { missing: error.message };
  }
}

/** Found on this machine, else fetched once by Terraform itself, from wherever it is told to. */
async function pluginFolder(terraform: string): Promise<string> {
  const cache = join(infra, "../.cache/tools/terraform-plugins");
  for (const folder of [...usualFolders, cache]) {
    const found = await below(folder, 3);
    if (found !== undefined) return found;
  }
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), "sallyport-provider-"));
  try {
    await cp(join(infra, "modules/key/versions.tf"), join(work, "versions.tf"));
    const env = { ...process.env, TF_PLUGIN_CACHE_DIR: cache, CHECKPOINT_DISABLE: "1" };
    await run(terraform, ["init", "-input=false", "-no-color"], { cwd: work, env, timeout: 300_000 });
    return cache;
  } catch (error) {
    const said = String((error as { stderr?: string }).stderr ?? error);
    if (!/could not connect|Failed to query|timeout|no such host|refused/i.test(said)) throw error;
    throw new NotToBeHad(
      `${provider} is neither on this machine nor to be fetched: ${said.trim().slice(0, 300)}`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The folder that has `{host}/hashicorp/aws/{version}/{platform}` in it. */
async function below(folder: string, depth: number): Promise<string | undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((one) => one.isDirectory()).map(({ name }) => join(folder, name));
  const architecture = process.arch === "x64" ? "amd64" : process.arch;
  for (const host of folders) {
    const there = join(host, provider, `${process.platform}_${architecture}`);
    if (
      await access(there).then(
        () => true,
        () => false,
      )
    )
      return folder;
  }
  if (depth === 0) return undefined;
  for (const one of folders) {
    const found = await below(one, depth - 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

export interface RootOptions extends Tools {
  readonly zone: ZoneName;
  readonly moto?: Moto;
  /** What others have made before: the network's owner, and who makes images of machines. */
  readonly transitGateway?: string;
  readonly image?: string;
}

/** A copy of one root and of the modules it calls, initialised, with a state of its own and the example's values. */
export class Root {
  readonly folder: string;
  readonly #options: RootOptions;
  readonly #values: string;

  private constructor(options: RootOptions, folder: string) {
    this.#options = options;
    this.folder = folder;
    this.#values = join(folder, "values.tfvars");
  }

  /** `change` edits the copy before Terraform reads it. */
  static async open(options: RootOptions, change?: (folder: string) => Promise<void>): Promise<Root> {
    const folder = await mkdtemp(join(tmpdir(), `sallyport-root-${options.zone}-`));
    const root = new Root(options, folder);
    try {
      for (const part of [`zones/${options.zone}`, "modules", "envs"])
        await cp(join(infra, part), join(folder, part), { recursive: true });
      await writeFile(join(root.at, "backend_override.tf"), 'terraform {\n  backend "local" {}\n}\n');
      await writeFile(root.#values, await exampleValues(options));
      await change?.(folder);
      await root.run(["init", "-input=false", `-plugin-dir=${options.plugins}`]);
      return root;
    } catch (error) {
      await root.close();
      throw error;
    }
  }

  get at(): string {
    return join(this.folder, "zones", this.#options.zone);
  }

  /** What a plan would make, all of it. */
  async plan(): Promise<Shown> {
    await this.run(["plan", "-input=false", `-var-file=${this.#values}`, "-out=plan"]);
    return await this.#show(["plan"]);
  }

  /** Does what was planned, and answers what is there then. */
  async applyPlan(): Promise<Shown> {
    await this.run(["apply", "-input=false", "plan"]);
    return await this.#show([]);
  }

  /** What another plan would change: `address: arguments`, a line for each. */
  async planAgain(): Promise<string[]> {
    const args = ["plan", "-input=false", "-detailed-exitcode", `-var-file=${this.#values}`, "-out=again"];
    const failure = await this.run(args).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure === undefined) return [];
    const { resource_changes: changes = [] } = await this.#show(["again"]).catch(() => {
      throw failure;
    });
    return changes
      .filter(({ change }) => !(change.actions ?? []).every((action) => action === "no-op"))
      .map(({ address, change: { before, after } }) => {
        const names = Object.keys({ ...before, ...after });
        return `${address}: ${names.filter((name) => !isDeepStrictEqual(before?.[name], after?.[name])).join(", ")}`;
      });
  }

  /**
   * moto forgets an attachment to a transit gateway the moment it is deleted, and Terraform waits for one that says
   * "deleted": Terraform lets go of it instead.
   */
  async letGo(): Promise<void> {
    const all = (await this.run(["state", "list"])).split("\n");
    const attached = all.filter((address) => address.includes("aws_ec2_transit_gateway_vpc_attachment"));
    if (attached.length > 0) await this.run(["state", "rm", ...attached]);
  }

  async destroy(): Promise<void> {
    await this.run(["destroy", "-auto-approve", "-input=false", `-var-file=${this.#values}`]);
  }

  /** `terraform test` of the root's own `tests/`, on a provider that asks nobody. */
  async test(): Promise<string> {
    return await this.run(["test", `-var-file=${this.#values}`]);
  }

  async run([command = "", ...args]: readonly string[]): Promise<string> {
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: this.folder,
      CHECKPOINT_DISABLE: "1",
      TF_IN_AUTOMATION: "1",
      AWS_EC2_METADATA_DISABLED: "true",
      ...this.#options.moto?.env,
    };
    const call = [command, ...(command === "show" || command === "state" ? [] : ["-no-color"]), ...args];
    const options = { cwd: this.at, env, timeout: 400_000, maxBuffer: 64 * 1_048_576 };
    const { stdout } = await run(this.#options.terraform, call, options).catch(
      (error: { stdout?: string; stderr?: string }) => {
        throw new Error(`terraform ${command}: ${error.stdout ?? ""}${error.stderr ?? String(error)}`);
      },
    );
    return stdout;
  }

  async close(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  async #show(args: readonly string[]): Promise<Shown> {
    return JSON.parse(await this.run(["show", "-json", ...args])) as Shown;
  }
}

/** The example, in the account that moto answers for, with what others have made before. */
async function exampleValues({ zone, transitGateway, image }: RootOptions): Promise<string> {
  const example = await readFile(join(infra, `envs/example/${zone}.tfvars`), "utf8");
  const values = example
    .replaceAll("111111111111", "123456789012")
    .replace(/"ami-[0-9a-f]+"/, JSON.stringify(image ?? "ami-0123456789abcdef0"))
    .replace(/"tgw-[0-9a-f]+"/, JSON.stringify(transitGateway ?? "tgw-0123456789abcdef0"));
  return zone === "edge" || zone === "relay" ? `${values}\ndeletion_protection = false\n` : values;
}

/** The AWS command line, as a witness that is not Terraform. */
export async function aws<T>(moto: Moto, args: readonly string[]): Promise<T> {
  const call = [...args, "--region", "eu-west-1", "--output", "json"];
  const env = { PATH: "/usr/bin:/bin", ...moto.env };
  const { stdout } = await run(join(moto.awsFolder, "aws"), call, {
    env,
    timeout: 120_000,
    cwd: dirname(moto.awsFolder),
  });
  return (stdout.trim() === "" ? undefined : JSON.parse(stdout)) as T;
}
