import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fingerprint, generateRecipientKey, readPrivateKeyText } from "@sallyport/seal";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sallyport } from "../stack.fixture.ts";

let folder: string;
let key: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-enrol-"));
  key = (await generateRecipientKey()).publicKey;
});
afterEach(() => rmSync(folder, { recursive: true }));

const connector = (...args: string[]) => sallyport(["connector", ...args]);
const inFolder = (...args: string[]) => connector(...args, "--enrolments", folder);
const enroll = (name: string, publicKey: string, ...more: string[]) =>
  inFolder("enroll", name, "--public-key", publicKey, "--servers", "orders,tickets", "--yes", ...more);
const written = (name: string) => JSON.parse(readFileSync(join(folder, `${name}.json`), "utf8"));

test("keygen writes the private key for its owner alone, and shows what an operator needs", async () => {
  const out = join(folder, "c.key");
  const { code, out: shown, err } = await connector("keygen", "--out", out);
  expect(code).toBe(0);
  expect(statSync(out).mode & 0o777).toBe(0o600);
  expect(readPrivateKeyText(readFileSync(out, "utf8"))).toHaveLength(32);
  const [, publicKey = "", print] = /^public key: {2}(\S+)\nfingerprint: (\S+)\n$/.exec(shown) ?? [];
  expect(fingerprint(publicKey)).toBe(print);
  expect(shown + err).not.toContain("ssk1.");
});

test("keygen never replaces a file", async () => {
  const out = join(folder, "c.key");
  writeFileSync(out, "precious");
  const { code, err } = await connector("keygen", "--out", out);
  expect(code).toBe(1);
  expect(err).toContain("exists already");
  expect(readFileSync(out, "utf8")).toBe("precious");
});

test("what keygen shows as JSON is what enroll takes, and what the edge reads", async () => {
  const made = JSON.parse((await connector("keygen", "--out", join(folder, "c.key"), "--json")).out);
  const file = join(folder, "c.pub");
  writeFileSync(file, `${made.publicKey}\n`);
  const args = ["--public-key-file", file, "--servers", "orders, tickets,orders", "--yes", "--json"];
  const { code, out, err } = await inFolder("enroll", "c1", ...args);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    connector: "c1",
    servers: ["orders", "tickets"],
    fingerprint: made.fingerprint,
    file: join(folder, "c1.json"),
    change: "new",
  });
  expect(err).toContain(`fingerprint: ${made.fingerprint}`);
  expect(written("c1")).toEqual({
    zone: "connector",
    connector: "c1",
    publicKey: made.publicKey,
    servers: ["orders", "tickets"],
  });
  expect(statSync(join(folder, "c1.json")).mode & 0o777).toBe(0o644);
  expect(readdirSync(folder).filter((name) => name.includes("draft"))).toEqual([]);
});

test("where nobody can be asked, nothing is enrolled without --yes", async () => {
  const args = ["--public-key", key, "--servers", "orders"];
  const { code, err } = await inFolder("enroll", "c1", ...args);
  expect(code).toBe(77);
  expect(err).toContain("nobody is here to confirm the fingerprint");
  expect(readdirSync(folder)).toEqual([]);
});

test("another key for an enrolled connector is refused, unless that was said", async () => {
  await enroll("c1", key);
  const { publicKey } = await generateRecipientKey();
  const refused = await enroll("c1", publicKey);
  expect(refused.code).toBe(77);
  expect(refused.err).toContain(`c1 is enrolled already, with the key ${fingerprint(key)}`);
  expect(written("c1").publicKey).toBe(key);
  const replaced = await enroll("c1", publicKey, "--replace");
  expect(replaced.code).toBe(0);
  expect(written("c1").publicKey).toBe(publicKey);
});

test("the same key with other servers is no replacement", async () => {
  await enroll("c1", key);
  const args = ["--public-key", key, "--servers", "orders", "--yes"];
  const { code, out } = await inFolder("enroll", "c1", ...args);
  expect(code).toBe(0);
  expect(out).toContain("for other servers than before");
  expect(written("c1").servers).toEqual(["orders"]);
});

test("one key is not enrolled for two connectors: each could open what is the other's", async () => {
  await enroll("c1", key);
  const { code, err } = await enroll("c2", key, "--replace");
  expect(code).toBe(77);
  expect(err).toContain("this is the key of c1");
});

test("a connector that another file enrols is not enrolled twice", async () => {
  await enroll("c1", key);
  writeFileSync(join(folder, "zz.json"), JSON.stringify({ ...written("c1"), connector: "c9" }));
  const { publicKey } = await generateRecipientKey();
  const { code, err } = await enroll("c9", publicKey, "--replace");
  expect(code).toBe(77);
  expect(err).toContain("under another file name");
});

test("a damaged enrolment is not replaced in passing", async () => {
  writeFileSync(join(folder, "c1.json"), "{");
  expect((await enroll("c1", key)).code).toBe(77);
  expect((await enroll("c1", key, "--replace")).code).toBe(0);
});

test.each([
  ["a path for a name", "../c1", "orders", "spk"],
  ["a subject wildcard for a name", "*", "orders", "spk"],
  ["no server", "c1", ",", "spk"],
  ["a server that is no name", "c1", "orders/x", "spk"],
  ["a key that is none", "c1", "orders", "spk1.AAAA"],
  ["a private key", "c1", "orders", "ssk1.AAAA"],
])("%s is a usage error", async (_what, name, servers, publicKey) => {
  const given = publicKey === "spk" ? key : publicKey;
  const { code } = await inFolder("enroll", name, "--public-key", given, "--servers", servers, "--yes");
  expect(code).toBe(2);
  expect(readdirSync(folder)).toEqual([]);
});

test("one of the two ways to give a key is needed, not both", async () => {
  expect((await inFolder("enroll", "c1", "--servers", "orders")).code).toBe(2);
  expect((await enroll("c1", key, "--public-key-file", "x")).code).toBe(2);
});

test("list shows each connector, and a file that enrols nobody is exit code 1", async () => {
  await enroll("c1", key);
  const good = await inFolder("list");
  expect(good.code).toBe(0);
  expect(good.out).toMatch(new RegExp(`^c1 +orders, tickets +${fingerprint(key)}$`, "m"));
  writeFileSync(join(folder, "bad.json"), '{ "connector": "c2" }');
  const bad = await inFolder("list", "--json");
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.out).connectors[0].problem).toContain("publicKey: ");
  expect(JSON.parse(bad.err).error.message).toBe("1 files are not valid and enrol nobody");
});

test("remove ends an enrolment; one that is not there is exit code 1", async () => {
  await enroll("c1", key);
  writeFileSync(join(folder, "..c2"), "");
  const { code, out } = await inFolder("remove", "c1", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ removed: [join(folder, "c1.json")] });
  expect((await inFolder("remove", "c1")).code).toBe(1);
  expect((await inFolder("remove", "../c1")).code).toBe(1);
});

const runner = (...args: string[]) => sallyport(["runner", ...args, "--enrolments", folder]);
const enrolRunner = (name: string, publicKey: string) =>
  runner("enroll", name, "--public-key", publicKey, "--pools", "sandbox, builds", "--yes", "--json");

test("a runner makes its key and is enrolled for pools by the same steps", async () => {
  const out = join(folder, "r.key");
  const made = JSON.parse((await sallyport(["runner", "keygen", "--out", out, "--json"])).out);
  expect(statSync(out).mode & 0o777).toBe(0o600);
  const { code, out: shown, err } = await enrolRunner("r1", made.publicKey);
  expect(code).toBe(0);
  expect(JSON.parse(shown)).toEqual({
    runner: "r1",
    pools: ["sandbox", "builds"],
    fingerprint: made.fingerprint,
    file: join(folder, "r1.json"),
    change: "new",
  });
  expect(err).toContain("runner:      r1\npools:       sandbox, builds\n");
  expect(written("r1")).toEqual({
    zone: "runner",
    connector: "r1",
    publicKey: made.publicKey,
    servers: ["sandbox", "builds"],
  });
});

test("runners and connectors are listed and removed apart, and no name is both", {
  timeout: 90_000,
}, async () => {
  const { publicKey } = await generateRecipientKey();
  await enroll("c1", key);
  await enrolRunner("r1", publicKey);
  expect((await runner("list")).out).toMatch(/^RUNNER +POOLS +FINGERPRINT\nr1 +sandbox, builds +\S+\n$/);
  expect(JSON.parse((await inFolder("list", "--json")).out).connectors).toMatchObject([{ connector: "c1" }]);
  expect((await inFolder("remove", "r1")).code).toBe(1);
  expect((await runner("remove", "c1")).code).toBe(1);
  const other = await generateRecipientKey();
  const both = await enroll("r1", other.publicKey, "--replace");
  expect(both.code).toBe(77);
  expect(both.err).toContain("r1 is enrolled already, as a runner");
  expect((await enrolRunner("c2", key)).code).toBe(77);
  expect((await runner("remove", "r1", "--json")).code).toBe(0);
  expect(readdirSync(folder)).toEqual(["c1.json"]);
});

test("a runner is enrolled for pools, a connector for servers", async () => {
  const args = ["enroll", "x1", "--public-key", key, "--yes"];
  expect((await runner(...args, "--servers", "orders")).code).toBe(2);
  expect((await inFolder(...args, "--pools", "sandbox")).code).toBe(2);
  expect(readdirSync(folder)).toEqual([]);
});

test("a folder that is not there is a matter of the settings", async () => {
  const { code, err } = await connector("list", "--enrolments", join(folder, "gone"));
  expect(code).toBe(78);
  expect(err).toContain("setting: enrolments");
});
