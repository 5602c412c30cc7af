import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@sallyport/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { sallyport } from "./stack.fixture.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-cli-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

test.each([
  [["doctor"]],
  [["boundary", "test"]],
  [["status"]],
  [["servers"]],
  [["trace"]],
  [["token"]],
  [["connector", "keygen"]],
  [["connector", "enroll"]],
  [["connector", "list"]],
  [["connector", "remove"]],
  [["audit", "find"]],
  [["audit", "tail"]],
  [["revoke", "agent"]],
  [["revoke", "token"]],
  [["revoke", "grant"]],
  [["revoke", "server"]],
  [["revoke", "list"]],
])("%j has help with examples, on stdout", async (command) => {
  const { code, out, err } = await sallyport([...command, "--help"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toContain(`Usage: sallyport ${command.join(" ")} `);
  expect(out).toContain(`Examples:\n  $ sallyport ${command.join(" ")}`);
  expect(out).toContain("--json");
});

test("without a command the help goes to stderr, and that is a usage error", async () => {
  const { code, out, err } = await sallyport([]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(err).toContain("Usage: sallyport <command>");
});

test("the version is one line", async () => {
  expect((await sallyport(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("a misspelt command or option is a usage error that guesses", async () => {
  const command = await sallyport(["statsu"]);
  expect(command.code).toBe(2);
  expect(command.err).toContain("Did you mean status?");
  const option = await sallyport(["status", "--wach"]);
  expect(option.code).toBe(2);
  expect(option.err).toContain("Did you mean --watch?");
});

test("with --json an error is JSON on stderr, and stdout stays empty", async () => {
  const { code, out, err } = await sallyport(["statsu", "--json"]);
  expect({ code, out }).toEqual({ code: 2, out: "" });
  expect(JSON.parse(err)).toEqual({
    error: expect.objectContaining({ code: "usage", exitCode: 2, fix: "see --help" }),
  });
});

test("the settings are those of --config, else of SALLYPORT_CONFIG, else ./sallyport.yaml", async () => {
  const bad = (name: string, key: string) => write(name, `${key}: 1`);
  const env = { SALLYPORT_CONFIG: bad("env.yaml", "fromenv") };
  bad("sallyport.yaml", "fromhere");
  const option = await sallyport(["status", "--config", bad("option.yaml", "fromoption")], {
    env,
    cwd: folder,
  });
  expect(option.err).toContain("option.yaml:1:1  fromoption: unknown setting");
  const variable = await sallyport(["status"], { env, cwd: folder });
  expect(variable.err).toContain("env.yaml:1:1  fromenv: unknown setting");
  const here = await sallyport(["status"], { cwd: folder });
  expect(here.err).toContain("sallyport.yaml:1:1  fromhere: unknown setting");
  expect([option.code, variable.code, here.code]).toEqual([78, 78, 78]);
});

test("a command says which part of the settings it lacks", async () => {
  const { code, err } = await sallyport(["status", "--config", write("c.yaml", "{}")]);
  expect(code).toBe(78);
  expect(err).toMatch(
    /^sallyport: this command needs the setting nats\n {2}setting: nats\n {2}fix: add `nats: /,
  );
});

test("NATS that is away is exit code 69, at once, without a stack", async () => {
  const creds = write("operator.creds", "x");
  const nats = `{ servers: ["nats://127.0.0.1:${await freePort()}"], creds: ${creds}, instance: ops }`;
  const { code, err } = await sallyport(["status", "--config", write("c.yaml", `nats: ${nats}`)]);
  expect(code).toBe(69);
  expect(err).toContain("setting: nats.servers");
  expect(err).not.toContain("    at ");
});

test("colour is for terminals: a pipe gets none, whatever the environment says", async () => {
  const { out } = await sallyport(["--help"], { env: { FORCE_COLOR: "1", CI: "1" } });
  expect(out).not.toContain("\x1b");
});
