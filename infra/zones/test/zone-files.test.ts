import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { aws, toolsAndMoto } from "./aws.fixture.ts";

afterAll(leakCheck);

const run = promisify(execFile);
const script = join(import.meta.dirname, "../../modules/zone-files/fetch.sh");
const isRoot = process.getuid?.() === 0;
const available = await toolsAndMoto();

const key = `-----BEGIN PRIVATE KEY-----\n${"A".repeat(64)}\n-----END PRIVATE KEY-----\n`;
const bundle = '{ "format": "sallyport-bundle/1" }\n';
const digest = (text: string) => createHash("sha256").update(text).digest("hex");
let arns: Record<"key" | "login" | "binary", string>;
let folder: string;

/** What the operator has stored, as the operator would: with the AWS command line. */
beforeAll(async () => {
  if ("missing" in available) return;
  const { moto } = available;
  const create = async (name: string, value: readonly string[]) =>
    (await aws<{ ARN: string }>(moto, ["secretsmanager", "create-secret", "--name", name, ...value])).ARN;
  folder = await mkdtemp(join(tmpdir(), "sallyport-objects-"));
  await writeFile(join(folder, "bundle"), bundle);
  await writeFile(join(folder, "key"), key);
  arns = {
    key: await create("acme/seal.key", ["--secret-string", `file://${join(folder, "key")}`]),
    login: await create("acme/login", ["--secret-string", "user:pass word"]),
    binary: await create("acme/binary", ["--secret-binary", `fileb://${join(folder, "key")}`]),
  };
  const bucket = ["--bucket", "files"];
  await aws(moto, [
    "s3api",
    "create-bucket",
    ...bucket,
    "--create-bucket-configuration",
    "LocationConstraint=eu-west-1",
  ]);
  for (const object of [`paris/bundle.json/${digest(bundle)}`, `paris/bundle.json/${digest("another")}`])
    await aws(moto, ["s3api", "put-object", ...bucket, "--key", object, "--body", join(folder, "bundle")]);
  await rm(folder, { recursive: true });
}, 300_000);
afterAll(async () => {
  if (!("missing" in available)) await available.moto.stop();
});
beforeEach(async ({ skip }) => {
  skip("missing" in available, "missing" in available ? available.missing : "");
  folder = await mkdtemp(join(tmpdir(), "sallyport-zone-files-"));
});
afterEach(async () => {
  if (folder) await rm(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly said: string;
}

/** The script of the first container, with the environment that the modules give it. */
async function fetchFiles(environment: Readonly<Record<string, string>>): Promise<Ended> {
  if ("missing" in available) throw new Error("skipped");
  const { moto } = available;
  const env = {
    PATH: `${moto.awsFolder}:/usr/bin:/bin`,
    AWS_DEFAULT_REGION: "eu-west-1",
    HOME: folder,
    ZONE_DIR: folder,
    BUCKET: "files",
    ARNS: "",
    OBJECTS: "",
    ...moto.env,
    ...environment,
  };
  return await run("/bin/sh", ["-c", await readFile(script, "utf8")], { env, timeout: 60_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, said: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      said: error.stdout + error.stderr,
    }),
  );
}

// Each run starts the AWS command line several times.
describe("what a zone holds is written before it starts", { timeout: 120_000 }, () => {
  it("secrets and public files, for their owner alone, and none of it is said", async () => {
    const ended = await fetchFiles({
      ARNS: `seal.key=${arns.key} secrets/login=${arns.login}`,
      OBJECTS: `bundle.json=paris/bundle.json/${digest(bundle)}`,
      ...(isRoot ? { OWNER: "65532:65532" } : {}),
    });
    expect(ended).toMatchObject({ code: 0 });
    expect(await readFile(join(folder, "seal.key"), "utf8")).toBe(`${key}\n`);
    expect(await readFile(join(folder, "secrets/login"), "utf8")).toBe("user:pass word\n");
    expect(await readFile(join(folder, "bundle.json"), "utf8")).toBe(bundle);
    const modes = await Promise.all(
      [".", "seal.key", "secrets", "secrets/login", "bundle.json"].map(async (name) => {
        const { mode, uid } = await stat(join(folder, name));
        return `${name} ${(mode & 0o777).toString(8)} ${isRoot ? uid : 65532}`;
      }),
    );
    expect(modes).toEqual([
      ". 700 65532",
      "seal.key 600 65532",
      "secrets 700 65532",
      "secrets/login 600 65532",
      "bundle.json 600 65532",
    ]);
    expect(ended.said).not.toMatch(/AAAA|PRIVATE|pass word/);
  });

  it("a secret that nobody can read stops the start, and names the file", async () => {
    const gone = arns.key.replace("seal.key", "gone.key");
    const ended = await fetchFiles({ ARNS: `seal.key=${gone}` });
    expect(ended.code).not.toBe(0);
    expect(ended.said).toMatch(/ResourceNotFound/);
  });

  it("a secret that holds no text stops the start", async () => {
    const ended = await fetchFiles({ ARNS: `seal.key=${arns.binary} secrets/login=${arns.login}` });
    expect(ended).toMatchObject({
      code: 1,
      said: expect.stringMatching(/seal\.key: its secret holds no text/),
    });
    expect(await readdir(folder)).not.toContain("secrets");
  });

  it("a public file that is not what was planned stops the start", async () => {
    const ended = await fetchFiles({ OBJECTS: `bundle.json=paris/bundle.json/${digest("another")}` });
    expect(ended).toMatchObject({ code: 1, said: expect.stringMatching(/bundle\.json: FAILED/) });
  });
});
