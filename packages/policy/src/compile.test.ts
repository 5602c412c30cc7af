import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { compilePolicies } from "./compile.ts";
import { LivePolicies } from "./live.ts";
import { PolicyError } from "./policy-error.ts";

const allow = '@id("all") permit(principal, action, resource);';
const compile = (...texts: string[]) =>
  compilePolicies(texts.map((text, n) => ({ name: `p${n}.cedar`, text })));

function refusal(...texts: string[]): PolicyError {
  try {
    compile(...texts);
  } catch (error) {
    if (error instanceof PolicyError) return error;
    throw error;
  }
  throw new Error("was accepted");
}

describe("a policy set is refused at boot when", () => {
  it.each<[string, string, RegExp]>([
    ["it is empty", "", /p0\.cedar: there is no policy/],
    ["it holds only comments", "// nothing yet\n", /there is no policy/],
    [
      "the syntax is wrong",
      `${allow}\n\n  permit(principal, acton, resource);`,
      /p0\.cedar:3:21: .*acton.*\n {4}permit\(principal, acton, resource\);/,
    ],
    ["the text ends early", "permit(principal, action,", /p0\.cedar:1:\d+/],
    [
      "the place follows letters beyond ASCII",
      "// 日本\npermit(principal, acton, resource);",
      /p0\.cedar:2:19/,
    ],
    ["it is a template", '@id("t") permit(principal == ?principal, action, resource);', /template/],
    ["an id is missing", "permit(principal, action, resource);", /p0\.cedar:1:1: a policy needs @id/],
    ["an id is empty", '@id("") permit(principal, action, resource);', /needs @id/],
    ["an id has no value", "@id permit(principal, action, resource);", /needs @id/],
    ["an id could forge a log line", '@id("a\\nb") permit(principal, action, resource);', /needs @id/],
    ["a reason is empty", '@id("a") @reason("") permit(principal, action, resource);', /@reason must be/],
    [
      "a reason is endless",
      `@id("a") @reason("${"x".repeat(513)}") permit(principal, action, resource);`,
      /@reason must be/,
    ],
    [
      "approval is asked for",
      '@id("a") @approve permit(principal, action, resource);',
      /@approve is reserved/,
    ],
    [
      "an annotation is unknown",
      '@id("a") @raeson("x") permit(principal, action, resource);',
      /unknown annotation @raeson/,
    ],
    ["an id is used twice", `${allow}\n${allow}`, /p0\.cedar:2:1: @id\("all"\) is also at p0\.cedar:1/],
    [
      "an action is unknown",
      '@id("a") permit(principal, action == Action::"tools/cal", resource);',
      /p0\.cedar:1:1: .*tools\/cal/,
    ],
    ["a type is unknown", '@id("a") permit(principal == Agnet::"x", action, resource);', /Agnet/],
    [
      "an attribute is unknown",
      '@id("a") permit(principal, action, resource) when { context.usr == "x" };',
      /"usr"/,
    ],
    [
      "an unknown attribute hides beside an argument",
      '@id("a") permit(principal, action, resource) when { context.arguments.x == context.usr };',
      /"usr"/,
    ],
    [
      "an unknown attribute is tested for",
      '@id("a") forbid(principal, action, resource) when { context has usr };',
      /"usr"/,
    ],
    [
      "an attribute of a tool is read",
      '@id("a") permit(principal, action, resource) when { resource.owner == "x" };',
      /owner/,
    ],
    [
      "the user is read untested",
      '@id("a") permit(principal, action, resource) when { context.user == "x" };',
      /optional attribute/,
    ],
    [
      "the user is read untested beside an argument",
      '@id("a") permit(principal, action, resource) when { context.arguments.x && context.user == "x" };',
      /optional attribute/,
    ],
    [
      "types cannot be compared",
      '@id("a") permit(principal, action, resource) when { context.target == 3 };',
      /not compatible/,
    ],
    [
      "it can never apply",
      '@id("a") forbid(principal, action == Action::"tools/call", resource == Server::"s");',
      /unable to find|impossible/,
    ],
    [
      "a tool has no server",
      '@id("a") forbid(principal, action, resource == Tool::"delete");',
      /must name its server first/,
    ],
    [
      "a tool in a condition has no server",
      '@id("a") forbid(principal, action, resource) when { resource == Tool::"delete" };',
      /must name its server first/,
    ],
    [
      "a server has a slash",
      '@id("a") forbid(principal, action, resource in Server::"a/b");',
      /no server's name/,
    ],
    [
      "a condition tests a hierarchy",
      '@id("a") forbid(principal, action, resource) when { resource in Server::"s" };',
      /belongs in the scope/,
    ],
    [
      "a condition tests an action group",
      '@id("a") forbid(principal, action, resource) unless { action in Action::"connect" };',
      /belongs in the scope/,
    ],
    [
      "a condition tests type and hierarchy",
      '@id("a") forbid(principal, action, resource) when { resource is Tool in Server::"s" };',
      /belongs in the scope/,
    ],
    [
      "the context is taken whole",
      '@id("a") permit(principal, action, resource) when { (if context has user then context else context).target == "x" };',
      /read by attribute/,
    ],
    [
      "an integer is beyond 53 bits",
      '@id("a") permit(principal, action, resource) when { context.arguments.n < 9007199254740993 };',
      /beyond 53 bits/,
    ],
    [
      "an argument has a name of Cedar's",
      '@id("a") permit(principal, action, resource) when { context.arguments has "__entity" };',
      /"__entity" cannot be read/,
    ],
  ])("%s", (_, text, message) => {
    const error = refusal(text);
    expect(error.message).toMatch(message);
    expect(error.file).toBe("p0.cedar");
  });

  it("a file holds more policies than allowed", () => {
    const many = [...Array(10_001).keys()].map((n) => `@id("p${n}") permit(principal, action, resource);`);
    expect(refusal(many.join("\n")).message).toMatch(/a file may hold 10000 policies/);
  });

  it("no file is given", () => {
    expect(() => compilePolicies([])).toThrow(/there is no policy/);
  });

  it("the trouble is in the second policy of the second file, which it says", () => {
    const error = refusal(
      allow,
      '@id("b") permit(principal, action, resource);\n  @id("c") permit(principal, action, resource)\n  when { context.targ == "x" };',
    );
    expect(error).toMatchObject({ file: "p1.cedar", line: 2, column: 3 });
    const typed = refusal(
      allow,
      '// é\n@id("c") permit(principal, action, resource)\n  when { resource == Toool::"s/t" };',
    );
    expect(typed).toMatchObject({ file: "p1.cedar", line: 2 });
  });
});

describe("a policy set", () => {
  it("is what the package comment shows, and does what it says", async () => {
    const source = await readFile(new URL("../index.ts", import.meta.url), "utf8");
    const [, block = ""] = /```cedar\n([\s\S]*?)```/.exec(source) ?? [];
    const orders = compile(block.replace(/^ \*/gm, "")).forServer("orders");
    const ask = { agent: "support", server: "orders", action: "tools/call" };
    expect(orders.decide({ ...ask, action: "tools/list", target: "" }).allow).toBe(true);
    expect(orders.decide({ ...ask, target: "list_orders" })).toEqual({
      allow: true,
      ruleId: "support-reads-orders",
    });
    expect(orders.decide({ ...ask, target: "refund", arguments: { amount: 500 } })).toMatchObject({
      ruleId: "small-refunds-only",
      reason: "refunds above 100 need a person",
    });
  });

  it.each(["a/b", "", "a b", "x".repeat(65), "a\n"])("has no rules for a server named %j", (server) => {
    expect(() => compile(allow).forServer(server)).toThrow(/server's name/);
  });

  it("counts its policies and has a digest of names and texts", () => {
    const set = compile(allow, '@id("b") forbid(principal, action, resource);');
    expect(set.count).toBe(2);
    expect(set.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(compile(allow).digest).not.toBe(set.digest);
    expect(compile(allow).digest).toBe(compile(allow).digest);
    expect(compile(`${allow} `).digest).not.toBe(compile(allow).digest);
  });
});

describe("policies of files", () => {
  const dirs: string[] = [];
  const dir = async (files: Record<string, string | Uint8Array>) => {
    const path = await mkdtemp(join(tmpdir(), "policies-"));
    dirs.push(path);
    for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
    return path;
  };
  afterEach(async () => {
    await Promise.all(dirs.splice(0).map((path) => rm(path, { recursive: true })));
  });

  it("reads every .cedar file of a directory and files given by name", async () => {
    const path = await dir({
      "a.cedar": allow,
      "b.cedar": '@id("b") permit(principal, action, resource);',
      "README.md": "x",
    });
    const other = await dir({ "c.txt": '@id("c") permit(principal, action, resource);' });
    const set = await LivePolicies.open([path, join(other, "c.txt")]);
    expect(set.count).toBe(3);
    expect(set.digest).toBe((await LivePolicies.open([path, join(other, "c.txt")])).digest);
  });

  it.each<[string, Record<string, string | Uint8Array>, RegExp]>([
    ["a directory without policies", { "README.md": "x" }, /no \*\.cedar file/],
    ["a directory of empty files", { "a.cedar": "" }, /there is no policy/],
    ["a file that is not UTF-8", { "a.cedar": new Uint8Array([0xff]) }, /not valid UTF-8/],
    ["a file beyond 1 MiB", { "a.cedar": "/".repeat((1 << 20) + 1) }, /larger than/],
  ])("refuses %s", async (_, files, message) => {
    await expect(LivePolicies.open([await dir(files)])).rejects.toThrow(message);
  });

  it("refuses a path that is not there, and no path", async () => {
    await expect(LivePolicies.open(["/nowhere/at/all"])).rejects.toThrow(/cannot be read: ENOENT/);
    await expect(LivePolicies.open([])).rejects.toThrow(/there is no policy/);
  });
});
