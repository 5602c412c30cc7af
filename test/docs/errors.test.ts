import { readdirSync, readFileSync } from "node:fs";
import { STATUS_CODES } from "node:http";
import { join } from "node:path";
import { errorCodes, ServiceError } from "@sallyport/contracts";
import { DENIED, denial, UNAVAILABLE, unavailable } from "@sallyport/mcp";
import { expect, test } from "vitest";
import { type Token, tokensOf } from "../architecture/tokens.ts";
import { readPage, root, rowsOf } from "./pages.ts";

const page = readPage("docs/errors.md");
const codes = rowsOf(page, "Codes");

test("the page has each error code of the contracts, and no other", () => {
  expect([...codes.keys()].sort()).toEqual([...errorCodes].sort());
});

test.each(errorCodes)("the page says of %s whether the same request may succeed later", (code) => {
  expect(codes.get(code)?.[0]).toBe(new ServiceError(code, "").retryable ? "yes" : "no");
});

test.each(["unavailable", "timeout", "exhausted", "internal"] as const)(
  "the page gives the status that %s has without an id",
  (code) => {
    const answer = unavailable({ id: undefined, code, source: "edge", retryable: false, reason: "" });
    expect(codes.get(code)?.[1]).toBe(String(answer.status));
  },
);

test("the page gives the status that a denial has without an id", () => {
  const { status } = denial({ id: undefined, source: "connector", ruleId: undefined, reason: "" });
  expect(codes.get("denied")?.[1]).toBe(String(status));
});

/** The files that ship below some folders. */
function shipped(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !/\.(?:test|fixture)\.ts$/.test(path))
      .map((path) => join(folder, path)),
  );
}

/** Without comments: those name codes that nobody uses. */
function tokensIn(file: string): Token[] {
  return tokensOf(readFileSync(join(root, file), "utf8"));
}

/** JSON-RPC's own range and that of Sallyport, as literals. */
function jsonRpcCodesIn(file: string): string[] {
  return tokensIn(file).flatMap(({ kind, value }, at, all) =>
    kind === "word" && /^3[12]_?\d{3}$/.test(value) && all[at - 1]?.value === "-"
      ? [`-${value.replace("_", "")}`]
      : [],
  );
}

test("the page has each JSON-RPC code that a zone can answer with, and no other", () => {
  const folders = [
    "packages/mcp/src",
    "packages/gate/src",
    "apps/edge/src",
    "apps/connector/src",
    "apps/runner/src",
  ];
  const files = shipped(...folders);
  const used = new Set(files.flatMap(jsonRpcCodesIn));
  expect(used).toContain(String(DENIED));
  expect(used).toContain(String(UNAVAILABLE));
  expect([...rowsOf(page, "JSON-RPC codes").keys()].sort()).toEqual([...used].sort());
});

test("the page has each HTTP status that an edge answers by itself, and no other", () => {
  const used = shipped(
    "packages/mcp/src",
    "packages/gate/src",
    "apps/edge/src",
    "apps/connector/src/upstream/stdio",
  )
    .flatMap(tokensIn)
    .filter(({ kind, value }) => kind === "word" && /^[45]\d\d$/.test(value) && value in STATUS_CODES)
    .map(({ value }) => value);
  expect([...rowsOf(page, "HTTP statuses").keys()].sort()).toEqual([...new Set(used)].sort());
});

/** Of `policy: 403,` in the table of the proxy's answers. */
function denialStatuses(): Map<string, string> {
  const text = readFileSync(join(root, "packages/sandbox-egress/src/denial.ts"), "utf8");
  const [, table = ""] = /const statuses[^=]*=\s*\{([^}]+)\}/.exec(text) ?? [];
  return new Map(
    [...table.matchAll(/^ *(\w+): (\d+),$/gm)].map(([, code = "", status = ""]) => [code, status]),
  );
}

test("the page has each code of the egress proxy with its status, and no other", () => {
  const statuses = denialStatuses();
  expect(statuses.get("placeholder")).toBe("403");
  const rows = [...rowsOf(page, "Codes of the egress proxy")];
  expect(new Map(rows.map(([code, cells]) => [code, cells[1]]))).toEqual(statuses);
});

test("the page has each source that an answer can name, and no other", () => {
  const [, union = ""] =
    /export type FailureSource =([^;]+);/.exec(
      readFileSync(join(root, "packages/mcp/src/deny.ts"), "utf8"),
    ) ?? [];
  const sources = [...union.matchAll(/"(\w+)"/g)].map(([, source]) => source);
  expect(sources).toContain("upstream");
  expect([...rowsOf(page, "Sources").keys()].sort()).toEqual(sources.sort());
});

/** The numbers of what is declared as `exitCode: number = 1`, `exitCode = 64`, `exitCodes = { ok: 0, … }`. */
function exitCodesIn(file: string): string[] {
  const tokens = tokensIn(file);
  return tokens.flatMap(({ value }, at) => {
    if (!/^(?:exitCodes?|interrupted)$/.test(value)) return [];
    const rest = tokens.slice(at + 1, at + 60);
    const start = rest[0]?.value === ":" ? 2 : 0;
    if (rest[start]?.value !== "=" || rest[start + 1]?.value === "=") return [];
    const end = rest.findIndex((token) => token.value === ";" || token.value === "}");
    return rest.slice(start, end).flatMap((token) => (/^\d+$/.test(token.value) ? [token.value] : []));
  });
}

const exits = rowsOf(page, "Exit codes");
const namedFor = (column: number) =>
  [...exits].flatMap(([code, cells]) => (cells[column] === "–" ? [] : [code])).sort();
/** How a command ends, and not a zone. */
const runCommand = "packages/runtime/src/lifecycle/run-command.ts";

test("the page has each exit code of a zone, and no other", () => {
  const files = shipped("packages/runtime/src").filter((file) => file !== runCommand);
  expect(namedFor(0)).toEqual([...new Set(files.flatMap(exitCodesIn))].sort());
});

test("the page has each exit code of the command line, and no other", () => {
  const files = [...shipped("apps/cli/src"), runCommand];
  expect(namedFor(1)).toEqual([...new Set(files.flatMap(exitCodesIn))].sort());
});
