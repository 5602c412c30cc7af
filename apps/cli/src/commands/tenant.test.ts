import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connectRelayAdmin, provisionStreams } from "@sallyport/infra-nats";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, afterEach, expect, test } from "vitest";
import { type InstalledRelay, startInstalledRelay } from "../installation/relay.fixture.ts";
import { runHere as sallyport } from "../stack.fixture.ts";

afterAll(leakCheck);
let all: InstalledRelay;
afterEach(() => all?.stop());

const add = (...args: string[]) => sallyport(["tenant", "add", ...args, "--installation", all.installation]);
const read = (name: string) => readFileSync(join(all.installation, name), "utf8");
const credsOf = (tenant: string) => readFileSync(join(all.installation, `creds/${tenant}/provisioner.creds`));

/** As the tenant's provisioner, which the relay takes only if it knows its account. */
function provision(tenant: string) {
  const maxBytes = { log: 2 ** 20, bucket: 2 ** 20 };
  return provisionStreams({
    ...{ servers: [all.url], creds: credsOf(tenant), maxBytes, caFile: all.caFile },
  });
}

test("a tenant is added while the relay runs: it has streams of its own, and nobody else notices", async () => {
  all = await startInstalledRelay("https://{tenant}.example.com");
  await provision("acme");
  const creds = readFileSync(join(all.installation, "trust/relay-operator.creds"));
  const there = await connectRelayAdmin({ servers: [all.url], creds, caFile: all.caFile });
  const { code, out } = await add("other", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ tenant: "other", relay: [expect.any(String)] });
  expect((await provision("other")).map(({ outcome }) => outcome)).not.toContain("as wanted");
  expect(await there.connected("nobody"), "it does not connect again, so no connection ended").toEqual([]);
  await there.close();

  // The relay's machine has what it began with, and knows the tenant all the same.
  await all.relay.restart();
  expect((await provision("other")).map(({ outcome }) => outcome)).not.toContain("created");
});

test("running it again changes nothing, and tells the relay again", async () => {
  all = await startInstalledRelay("https://{tenant}.example.com");
  await all.relay.kill();
  // As a command leaves it that was killed between the key and the documents.
  writeFileSync(join(all.installation, "trust/accounts/other.nk"), "half", { mode: 0o600 });
  const away = await add("other");
  expect(away).toMatchObject({ code: 69, err: expect.stringMatching(/not reached[\s\S]*run this again/) });
  const before = ["trust/trust.json", "creds/other/provisioner.creds", "installation.json"].map(read);
  await all.relay.restart();
  await expect(provision("other")).rejects.toThrow(/refuses provisioner/);
  const added = await add("other");
  expect(added).toMatchObject({
    code: 0,
    err: expect.stringContaining(`--server ${all.url} --ca ${all.caFile} --creds`),
  });
  const moved = await add("other", "--public-url", "https://elsewhere.example.com");
  expect(moved).toMatchObject({ code: 77, err: expect.stringContaining("with https://other.example.com") });
  expect(["trust/trust.json", "creds/other/provisioner.creds", "installation.json"].map(read)).toEqual(
    before,
  );
  await provision("other");
});

test("two tenants with one public URL are refused before anything is made: a token for one would count at the other", async () => {
  all = await startInstalledRelay("https://agents.example.com");
  const before = read("trust/trust.json");
  expect(await add("other")).toMatchObject({
    code: 2,
    err: expect.stringMatching(/two tenants have the same[\s\S]*setting: --public-url/),
  });
  expect(read("trust/trust.json")).toBe(before);
  expect(existsSync(join(all.installation, "trust/accounts/other.nk"))).toBe(false);

  expect(await add("other", "--public-url", "https://other.example.com")).toMatchObject({ code: 0 });
  const folder = join(all.folder, "edge-1");
  const out = join(all.folder, "edge-1.json");
  await sallyport(["zone", "request", "edge", "--site", "edge-1", "--out", folder]);
  const bundled = await sallyport([
    ...["zone", "bundle", "edge", "--site", "edge-1", "--tenant", "other", "--yes", "--out", out],
    ...["--installation", all.installation, "--request", join(folder, "request.json")],
  ]);
  expect(bundled).toMatchObject({ code: 0 });
  expect(JSON.parse(readFileSync(out, "utf8")).tokens.publicUrl).toBe("https://other.example.com");
});

test("a name that is none is refused", async () => {
  all = await startInstalledRelay("https://{tenant}.example.com");
  expect(await add("../x")).toMatchObject({ code: 2, err: expect.stringContaining("no tenant's name") });
});
