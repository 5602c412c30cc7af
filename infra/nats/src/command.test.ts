import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCreds } from "@nats-io/jwt";
import { afterEach, beforeEach, expect, test } from "vitest";
import { run } from "./command.ts";
import { loadTrust } from "./trust-files.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "infra-nats-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function told(...argv: string[]): Promise<string> {
  let text = "";
  await run(argv, (more) => {
    text += more;
  });
  return text;
}

const user = (zone: string, instance: string) => ["--zone", zone, "--instance", instance];

test("it writes operator material, a server's configuration and credentials that only the owner may read", async () => {
  const out = join(folder, "relay");
  await told("--out", out, ...user("edge", "e1"), ...user("connector", "c1"));
  expect((await readdir(join(out, "creds"))).sort()).toEqual([
    "connector-c1.creds",
    "edge-e1.creds",
    "provisioner.creds",
  ]);
  for (const name of await readdir(out, { recursive: true })) {
    const { mode } = await stat(join(out, name));
    expect(mode & 0o077, name).toBe(0);
  }
  expect(await readFile(join(out, "nats-server.conf"), "utf8")).toContain("sync_interval: always");
});

test("a second run adds users of the same trust and overwrites nothing", async () => {
  await told("--out", folder, ...user("edge", "e1"));
  const files = [
    "trust/operator.nk",
    "trust/accounts/sallyport.nk",
    "nats-server.conf",
    "creds/edge-e1.creds",
  ];
  const read = () => Promise.all(files.map((file) => readFile(join(folder, file), "utf8")));
  const before = await read();
  await told("--out", folder, ...user("broker", "b1"));
  await expect(told("--out", folder, ...user("edge", "e1"))).rejects.toThrow(/is there already.*remove it/);
  expect(await read()).toEqual(before);
});

test("with several tenants each has an account, a provisioner and users of its own", async () => {
  const tenants = ["--tenant", "acme", "--tenant", "other"];
  await told("--out", folder, ...tenants);
  await told("--out", folder, "--tenant", "acme", ...user("edge", "e1"));
  await told("--out", folder, "--tenant", "other", ...user("edge", "e1"));
  const trust = await loadTrust(join(folder, "trust"));
  expect(trust?.tenants().sort()).toEqual(["acme", "other"]);
  for (const tenant of ["acme", "other"]) {
    expect((await readdir(join(folder, "creds", tenant))).sort()).toEqual([
      "edge-e1.creds",
      "provisioner.creds",
    ]);
    for (const file of ["edge-e1", "provisioner"]) {
      const { aid, uc } = await parseCreds(await readFile(join(folder, "creds", tenant, `${file}.creds`)));
      expect(uc.iss, aid).toBe(trust?.documents.accounts[tenant]?.id);
    }
  }
  await expect(told("--out", folder, ...user("edge", "e2"))).rejects.toThrow(/with one --tenant/);
  await expect(told("--out", folder, "--tenant", "third", ...user("edge", "e2"))).rejects.toThrow(
    /no tenant third/,
  );
});

test("keys without their documents are an error, and stay", async () => {
  await told("--out", folder);
  await rm(join(folder, "trust", "trust.json"));
  const seed = await readFile(join(folder, "trust", "operator.nk"), "utf8");
  await expect(told("--out", folder)).rejects.toThrow(/EEXIST/);
  expect(await readFile(join(folder, "trust", "operator.nk"), "utf8")).toBe(seed);
});

test("documents with the keys of another trust are refused", async () => {
  const other = join(folder, "other");
  await told("--out", folder);
  await told("--out", other);
  const foreign = await readFile(join(other, "trust/accounts/sallyport.nk"));
  await writeFile(join(folder, "trust/accounts/sallyport.nk"), foreign);
  await expect(loadTrust(join(folder, "trust"))).rejects.toThrow(/different keys/);
});

test("wrong arguments end before anything is written", async () => {
  await expect(told()).rejects.toThrow(/--out/);
  await expect(told("--out", folder, "--zone", "edge")).rejects.toThrow(/--instance for each --zone/);
  await expect(told("--out", folder, ...user("nowhere", "x"))).rejects.toThrow(/no zone "nowhere"/);
  await expect(told("--out", folder, ...user("edge", "../x"))).rejects.toThrow(/instance/);
  await expect(told("--out", folder, "--max-bytes", "many")).rejects.toThrow(/maxBytes/);
  expect(await readdir(folder)).toEqual([]);
});

test("--help says what it does and writes nothing", async () => {
  expect(await told("--help", "--out", folder)).toMatch(/^Usage: pnpm infra:nats/);
  expect(await readdir(folder)).toEqual([]);
});
