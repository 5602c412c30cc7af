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
  const { status } = denial({ id: undefined, ruleId: undefined, reason: "" });
  expect(codes.get("denied")?.[1]).toBe(String(status));
});

/** The tokens of the files that ship below a folder: comments are none. */
function shipped(...folders: string[]): Token[][] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".ts") && !/\.(?:test|fixture)\.ts$/.test(path))
      .map((path) => tokensOf(readFileSync(join(root, folder, path), "utf8"))),
  );
}

/** JSON-RPC's own range and that of Sallyport, as literals. */
function jsonRpcCodesIn(tokens: readonly Token[]): string[] {
  return tokens.flatMap((token, at) =>
    /^3[12]\d{3}$/.test(token.value) && token.kind === "word" && tokens[at - 1]?.value === "-"
      ? [`-${token.value}`]
      : [],
  );
}

test("the page has each JSON-RPC code that a zone can answer with, and no other", () => {
  const used = new Set(
    shipped("packages/mcp/src", "apps/edge/src", "apps/connector/src").flatMap(jsonRpcCodesIn),
  );
  expect(used).toContain(String(DENIED));
  expect(used).toContain(String(UNAVAILABLE));
  expect([...rowsOf(page, "JSON-RPC codes").keys()].sort()).toEqual([...used].sort());
});

test("the page has each HTTP status that an edge answers by itself, and no other", () => {
  const literals = shipped("packages/mcp/src", "apps/edge/src", "apps/connector/src/upstream/stdio")
    .flat()
    .filter(({ kind, value }) => kind === "word" && /^[45]\d\d$/.test(value) && value in STATUS_CODES)
    .map(({ value }) => value);
  expect([...rowsOf(page, "HTTP statuses").keys()].sort()).toEqual([...new Set(literals)].sort());
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

/** The numbers that a declaration named like `exitCode` or `interrupted` holds. */
function exitCodesIn(tokens: readonly Token[]): string[] {
  return tokens.flatMap(({ value }, at) => {
    if (!/^(?:exitCodes?|interrupted)$/.test(value)) return [];
    const rest = tokens.slice(at + 1, at + 60);
    // `exitCode: number = 1`, `exitCode = 64`, `exitCodes = { ok: 0, … }`; anything else declares nothing.
    const start = rest[0]?.value === ":" ? 2 : 0;
    if (rest[start]?.value !== "=" || rest[start + 1]?.value === "=") return [];
    const end = rest.findIndex(({ value }) => value === ";" || value === "}");
    return rest
      .slice(start, end)
      .filter(({ kind, value }) => kind === "word" && /^\d+$/.test(value))
      .map(({ value }) => value);
  });
}

const exits = rowsOf(page, "Exit codes");
const namedFor = (column: number) =>
  [...exits].filter(([, cells]) => cells[column] !== "–").map(([code]) => code);
const runtime = "packages/runtime/src";

test("the page has each exit code of a zone, and no other", () => {
  const files = shipped(`${runtime}/config`, `${runtime}/lifecycle`);
  const ofCommands = ["143"];
  const used = new Set(files.flatMap(exitCodesIn).filter((code) => !ofCommands.includes(code)));
  expect(namedFor(0).sort()).toEqual([...used].sort());
});

test("the page has each exit code of the command line, and no other", () => {
  const [command] = [`${runtime}/lifecycle/run-command.ts`].map((path) =>
    tokensOf(readFileSync(join(root, path), "utf8")),
  );
  const used = new Set([...shipped("apps/cli/src"), command ?? []].flatMap(exitCodesIn));
  expect(namedFor(1).sort()).toEqual([...used].sort());
});
