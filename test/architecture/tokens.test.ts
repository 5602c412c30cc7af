import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { importsOf } from "./imports.ts";
import { processUsesOf } from "./process-uses.ts";
import { tokensOf, UnreadableSource } from "./tokens.ts";

const modulesOf = (source: string) => importsOf(tokensOf(source)).map(({ from }) => from);
const usesOf = (source: string) => processUsesOf(tokensOf(source)).map(({ what }) => what);

describe("a module is found", () => {
  test.each([
    'import "a";',
    'import a from "a"',
    "import a from 'a'",
    'import * as a from "a";',
    'import { b } from "a";',
    'import c, { type b, d as e } from "a";',
    'import {\n  b,\n  from,\n} from "a";',
    'import from from "a";',
    'import type { B } from "a";',
    'import type B from "a";',
    'import json from "a" with { type: "json" };',
    'import/* why */{ b }/* not */from/* "x" */"a";',
    'export * from "a";',
    'export * as b from "a";',
    'export { b } from "a";',
    'export { b as "from" } from "a";',
    'export type { B } from "a";',
    'export type * from "a";',
    'const a = await import("a");',
    "await import('a').then()",
    'function f(a: import("a").B): void {}',
    'type A = typeof import("a");',
    'const a = require("a");',
    'import a = require("a");',
    'require.resolve("a")',
    'createRequire(import.meta.url)("a")',
    'createRequire(import.meta.url).resolve("a")',
    'import.meta.resolve("a")',
    'process.getBuiltinModule("a")',
    'import "\\u0061";',
    'import "\\x61";',
    "const x = `$" + '{await import("a")}`;',
    "const x = `$" + "{ `$" + '{ { b: 1 } }` + require("a") }`;',
    '#!/usr/bin/env node\nimport "a";',
    'const quote = /["\'`]/; import "a";',
    'const half = total / 2; const b = "/"; import "a";',
    'x.replace(/[/"]/g, "") ; import "a";',
    'return /"/.test(x); import "a";',
    'const s = "it\\"s"; import "a";',
    'const s = "two \\\nlines"; import "a";',
  ])("in %s", (source) => {
    expect(modulesOf(source)).toEqual(["a"]);
  });
});

describe("no module is seen", () => {
  test.each([
    '// import "a";',
    '/* import "a"; */',
    "const s = 'import \"a\"';",
    'const s = `import "a"`;',
    "const s = `\\$" + '{import("a")}`;',
    "export const a = 1;",
    "export { a };",
    'export { a }; const from = "a";',
    "export type A = { from: string };",
    'export type A = { from: "a" };',
    'const from = "a"; from "a";',
    "import.meta.dirname",
    'const rule = { import: "a", export: "b" };',
    'loader.import("a")',
    'path.resolve("a")',
  ])("in %s", (source) => {
    expect(modulesOf(source)).toEqual([]);
  });
});

test.each([
  "import(name)",
  "import(`./$" + "{name}.ts`)",
  'import("./" + name)',
  "import(`a`)",
  "require(name)",
  "createRequire(url).resolve(name)",
])("a name that is computed is told as such: %s", (source) => {
  expect(modulesOf(source)).toEqual([undefined]);
});

test("the line of an import is the line on which it begins", () => {
  expect(importsOf(tokensOf('// one\nconst s = `\n\n`;\nimport {\n a } from "a";'))).toEqual([
    { from: "a", line: 5 },
  ]);
});

describe("a use of process", () => {
  test.each([
    ["process.env.PATH", ["env"]],
    ["process?.env", ["env"]],
    ['process["env"]', ["env"]],
    ["process[name]", ["whole"]],
    ["globalThis.process.env", ["env"]],
    ["process.loadEnvFile()", ["env"]],
    ["process.exit(1)", ["exit"]],
    ["process.abort()", ["exit"]],
    ['process.on("SIGTERM", f)', ["listener"]],
    ["process.once(signal, f)", ["listener"]],
    ["const { env } = process;", ["whole"]],
    ["const p = process\n", []],
    ["const p = process;", ["whole"]],
  ])("%s is %j", (source, wanted) => {
    expect(usesOf(source)).toEqual(wanted);
  });

  test.each([
    'process.on("warning", f)',
    "process.pid",
    "process.exitCode = 1",
    "child.process.env",
    "this.#process.on()",
    '"process.env"',
  ])("%s is none of those that are ruled", (source) => {
    expect(usesOf(source)).toEqual([]);
  });
});

test.each([
  "const a = 'b",
  'const a = "b\n"',
  "const a = `b",
  "const a = `${b",
  "const a = `${b`",
  "a = / b",
])("a file in which the reader would lose its place is not skipped: %j", (source) => {
  expect(() => tokensOf(source)).toThrow(UnreadableSource);
});

test("an import is found whatever stands before it", () => {
  const piece = fc.oneof(
    fc.string().map((text) => `const s = ${JSON.stringify(text)};`),
    fc.string().map((text) => `// ${text.replace(/[\n\r\u2028\u2029]/g, " ")}\n`),
    fc.string().map((text) => `/* ${text.replaceAll("*/", "")} */`),
    fc.string().map((text) => `const t = \`${text.replace(/[\\`$]/g, "\\$&")}\`;`),
    fc.string({ minLength: 1 }).map((text) => `const r = /${text.replace(/[^a-z"'`]/g, "\\/")}/;`),
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      expect(modulesOf(`${pieces.join("\n")}\nimport "a";`)).toEqual(["a"]);
    }),
  );
});
