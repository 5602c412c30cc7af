import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { compilePolicies } from "@sallyport/policy";
import { afterAll, beforeAll, expect, test } from "vitest";
import { isMap, parse, parseDocument, stringify, visit } from "yaml";
import { commandLinesIn } from "./command-lines.ts";
import { anchorsOf, blocksOf, proseOf, readPage, readPages, root } from "./pages.ts";
import { run } from "./programs.ts";

const pages = readPages();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-docs-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("every link of the README and the docs leads to a file, and to a heading of it", () => {
  const broken: string[] = [];
  let count = 0;
  for (const { path, text } of pages) {
    for (const [, target = ""] of proseOf(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      count += 1;
      const [file = "", anchor] = target.split("#");
      const to = file === "" ? path : join(dirname(path), file);
      const problem = problemOf(to, anchor);
      if (problem !== undefined) broken.push(`${path}: ${target}: ${problem}`);
    }
  }
  expect(broken).toEqual([]);
  expect(count).toBeGreaterThan(60);
});

function problemOf(file: string, anchor: string | undefined): string | undefined {
  if (file.startsWith("..") || !existsSync(join(root, file))) return "no such file";
  if (anchor === undefined) return undefined;
  if (!file.endsWith(".md")) return "only a page has headings";
  return anchorsOf(readPage(file).text).has(anchor) ? undefined : "no such heading";
}

/** Needs no settings, so it is run below for what it does. */
const runsAnywhere = (args: readonly string[]) => args.join(" ") === "boundary test";

const lines = new Map(
  pages.flatMap(({ path, text }) =>
    commandLinesIn(text).flatMap((args) =>
      runsAnywhere(args) ? [] : [[args.join(" "), { path, args }] as const],
    ),
  ),
);

test("the guides show command lines, so the tests below test something", () => {
  expect(lines.size).toBeGreaterThan(15);
});

/** Settings that cannot be used: a line that gets as far as reading them was accepted. */
const usage = 2;

test.each([...lines])("sallyport %s is a command line that the program takes", async (_line, { args }) => {
  const settings = join(folder, "none.yaml");
  // What a line would read or write is looked for where nothing is, whatever this machine has.
  const away = args.map((arg, at) =>
    ["--out", "--enrolments"].includes(args[at - 1] ?? "") ? join(folder, "a-file", "nowhere") : arg,
  );
  // Below a file there can be no folder: not even one that a command would make.
  writeFileSync(join(folder, "a-file"), "");
  const { code, err } = await run("cli", [...away, "--config", settings], { folder, input: "eyJh.eyJi.c" });
  expect(code, err).not.toBe(usage);
  // It did fail, and for the settings' sake: otherwise it had something to act on.
  expect(code, err).not.toBe(0);
});

const zones = ["edge", "connector", "runner", "broker", "collector"] as const;
const configs = new Map(
  pages.flatMap(({ text }) =>
    blocksOf(text).flatMap((block) => {
      const name = block.language === "yaml" ? /^# ([\w-]+)\.yaml\n/.exec(block.text)?.[1] : undefined;
      return name === undefined ? [] : [[name, block.text] as const];
    }),
  ),
);
const ruleFile = "lease-rules";

/** What the guide says once for all zones: how each reaches the relay. */
const road = pages
  .flatMap(({ text }) => blocksOf(text))
  .find(({ language, text }) => language === "yaml" && text.startsWith("nats:\n"));

/** The files that a configuration names as secrets are made: a zone does not take one that is not there. */
function write(zone: string, text: string, name = zone): string {
  const at = join(folder, zone);
  mkdirSync(at, { recursive: true });
  for (const [path] of text.matchAll(/secrets\/[\w.-]+/g)) {
    mkdirSync(join(at, "secrets"), { recursive: true });
    writeFileSync(join(at, path), "a secret", { mode: 0o600 });
  }
  const file = join(at, `${name}.yaml`);
  writeFileSync(file, text);
  return file;
}

test.each(zones)("the %s takes the configuration that the guide gives it", async (zone) => {
  const file = write(zone, configs.get(zone) ?? "");
  const { code, err } = await run(zone, ["--config", file, "--check"], { folder });
  expect(err).toBe("");
  expect(code).toBe(0);
});

test.each(zones)("the %s takes the road to the relay that the guide shows", async (zone) => {
  const config = { ...parse(configs.get(zone) ?? ""), ...parse(road?.text ?? "") };
  expect(config.nats.proxy).toBeDefined();
  const { code, err } = await run(zone, ["--config", write(zone, stringify(config), "road"), "--check"], {
    folder,
  });
  expect(err).toBe("");
  expect(code).toBe(0);
});

test.each(zones)("the guide names every setting that the %s knows", async (zone) => {
  const own = configs.get(zone) ?? "";
  const text = `${own}\n${road?.text}`;
  const { err } = await run(zone, ["--config", write(`${zone}-all`, withUnknownKeys(own)), "--check"], {
    folder,
  });
  const known = [...err.matchAll(/zzzzzzzzzzzz: unknown setting; known here: (.+)$/gm)].flatMap(
    ([, names = ""]) => names.split(", "),
  );
  expect(known.length).toBeGreaterThan(20);
  expect(known.filter((name) => !new RegExp(`\\b${name}:`).test(text))).toEqual([]);
});

/** A zone that meets an unknown key in a mapping says which ones it knows there. */
function withUnknownKeys(text: string): string {
  const document = parseDocument(text);
  visit(document, {
    Map: (_key, map) => {
      if (isMap(map)) map.add(document.createPair("zzzzzzzzzzzz", 1));
    },
  });
  return String(document);
}

test("the attack list of the guide runs on this machine as the guide writes it", {
  timeout: 120_000,
}, async () => {
  const [line] = commandLinesIn(readPage("docs/guides/run-your-first-sandbox.md").text).filter(runsAnywhere);
  const { code, err } = await run("cli", [...(line ?? []), "--only", "1"], { folder, patience: 110_000 });
  expect(code, err).toBe(0);
});

/** The blocks of a page, those that a list indents too. */
const blocksOfPage = (path: string, language: string) =>
  blocksOf(readPage(path).text)
    .filter((block) => block.language === language)
    .map(({ text }) => text);

const firstSandbox = "docs/guides/run-your-first-sandbox.md";
const withCredential = "docs/guides/give-a-sandbox-a-credential.md";
const managedAgents = "docs/guides/use-it-from-claude-managed-agents.md";

test("the steps to a runner of one's own make its key, its NATS user, its enrolment and its settings", async () => {
  const at = join(folder, "first");
  mkdirSync(join(at, "secrets"), { recursive: true });
  mkdirSync(join(at, "enrolments"));
  const within = { folder: at };
  const lines = commandLinesIn(readPage(firstSandbox).text).filter(([group]) => group === "runner");
  expect(lines.map(([, action]) => action)).toEqual(["keygen", "enroll"]);
  const [keygen = [], enroll = []] = lines;
  const made = await run("cli", keygen, within);
  expect(made.code, made.err).toBe(0);
  // What the shell's part of the line does.
  writeFileSync(join(at, "runner-1.pub"), (JSON.parse(made.out) as { publicKey: string }).publicKey);
  const enrolled = await run("cli", [...enroll, "--enrolments", "enrolments", "--yes"], within);
  expect(enrolled.code, enrolled.err).toBe(0);
  const shell = blocksOfPage(firstSandbox, "sh").join("\n");
  const [, users = ""] = /infra:nats (--out .+)/.exec(shell) ?? [];
  const nats = await run("infra/nats", users.split(" "), within);
  expect(nats.code, nats.err).toBe(0);
  expect(existsSync(join(at, "relay/creds/runner-runner-1.creds"))).toBe(true);
  const settings = blocksOfPage(firstSandbox, "yaml").find((text) => text.startsWith("instance: "));
  const file = write("first", settings ?? "", "runner");
  const checked = await run("runner", ["--config", file, "--check"], within);
  expect([checked.code, checked.err]).toEqual([0, ""]);
});

/** A configuration of "Deploy a zone" with parts of another page in it. */
function withParts(zone: string, parts: readonly string[]): string {
  const whole = parse(configs.get(zone) ?? "") as Record<string, unknown>;
  return JSON.stringify(Object.assign(whole, ...parts.map((text) => parse(text) as object)));
}

test.each([
  [firstSandbox, "edge", ["sandboxes:"]],
  [withCredential, "runner", ["pools:"]],
  [withCredential, "broker", ["credentials:"]],
  [withCredential, "edge", ["sandboxes:"]],
  [managedAgents, "runner", ["environments:\n", "workers:"]],
  [managedAgents, "edge", ["environments: ["]],
])("what %s shows of the %s is taken by it", async (page, zone, beginnings) => {
  const parts = blocksOfPage(page, "yaml").filter((text) => beginnings.some((one) => text.startsWith(one)));
  expect(parts).toHaveLength(beginnings.length);
  const name = `${zone}-of-${page.replaceAll(/\W/g, "-")}`;
  const file = write(name, withParts(zone, parts), zone);
  const { code, err } = await run(zone, ["--config", file, "--check"], { folder });
  expect([code, err]).toEqual([0, ""]);
});

test("files and token endpoints, as the credential's guide shows them, are taken by the runner", async () => {
  const parts = blocksOfPage(withCredential, "yaml").filter((text) =>
    /^(?:files|tokenEndpoints):/.test(text),
  );
  expect(parts).toHaveLength(2);
  const whole = parse(configs.get("runner") ?? "") as { pools: { sandbox: { egress: object } } };
  Object.assign(whole.pools.sandbox.egress, ...parts.map((text) => parse(text) as object));
  const file = write("runner-egress", JSON.stringify(whole), "runner");
  const { code, err } = await run("runner", ["--config", file, "--check"], { folder });
  expect([code, err]).toEqual([0, ""]);
});

test("the policy of the credential's guide opens what the guide says and nothing beside it", () => {
  const [text = ""] = blocksOfPage(withCredential, "cedar");
  const { http } = compilePolicies([{ name: withCredential, text }]);
  const get = {
    ...{ agent: "build-bot", host: "crm.internal", method: "GET", path: "/v1/customers" },
    ...{ scheme: "https" as const, port: 8443, tls: true },
  };
  const allowed = (changed: object) => http.decide({ ...get, ...changed }).allow;
  expect(allowed({})).toBe(true);
  for (const other of [
    { method: "POST" },
    { path: "/v2/x" },
    { port: 443 },
    { host: "x.internal" },
    { agent: "other" },
  ])
    expect(allowed(other), JSON.stringify(other)).toBe(false);
});

test("the policy of the first sandbox lets its agent work and keeps its one command from it", () => {
  const [text = ""] = blocksOfPage(firstSandbox, "cedar");
  const policies = compilePolicies([{ name: firstSandbox, text }]).forServer("sandbox");
  const bash = (agent: string, command: string) =>
    policies.decide({
      ...{ agent, server: "sandbox", user: undefined, action: "sandbox/exec", target: "bash" },
      arguments: { command },
    });
  expect(bash("build-bot", "make").allow).toBe(true);
  expect(bash("other", "make").allow).toBe(false);
  expect(bash("build-bot", "git push origin")).toMatchObject({
    allow: false,
    ruleId: "no-push",
    reason: "pushes are made by people",
  });
});

const policies = pages.flatMap(({ path, text }) =>
  blocksOf(text).flatMap((block) => (block.language === "cedar" ? [{ name: path, text: block.text }] : [])),
);

test("the policies of the guides are policies", () => {
  expect(policies.length).toBeGreaterThan(0);
  for (const policy of policies) expect(compilePolicies([policy]).count).toBeGreaterThan(0);
});

test("the lease rules of the guide fit its credentials", () => {
  const { credentials } = parse(configs.get("broker") ?? "") as { credentials: object };
  const { rules } = parse(configs.get(ruleFile) ?? "") as { rules: { credential: string }[] };
  expect(new Set(rules.map(({ credential }) => credential))).toEqual(new Set(Object.keys(credentials)));
});

test("the command line takes the settings that the guide gives it", async () => {
  // Read before anything is looked for: creds that NATS cannot use come after settings that cannot be used.
  const text = configs.get("sallyport") ?? "";
  const file = write("sallyport", text.replaceAll("tls://relay.example.com:4222", "tls://127.0.0.1:1"));
  const { code, err } = await run("cli", ["status", "--config", file], { folder });
  expect(err).toContain("setting: nats.");
  expect(code).not.toBe(78);
});
