import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "../..");

/** A page that people read. */
export interface Page {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
}

/** A fenced block: what is between the fences, without the indent of a list that it stands in. */
export interface Block {
  readonly language: string;
  readonly text: string;
}

export function readPage(path: string): Page {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

/** The README and every page below `docs`. */
export function readPages(): Page[] {
  const found = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" });
  const docs = found.filter((path) => path.endsWith(".md")).map((path) => join("docs", path));
  return ["README.md", ...docs.sort()].map(readPage);
}

const fenced = /^( *)```(\w*)[^\n]*\n([\s\S]*?)^\1```$/gm;

export function blocksOf(text: string): Block[] {
  return [...text.matchAll(fenced)].map(([, indent = "", language = "", body = ""]) => ({
    language,
    text: body.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
  }));
}

/** The page without its blocks: what is prose. */
export function proseOf(text: string): string {
  return text.replace(fenced, "");
}

/** What is below one heading of the second level, up to the next. */
function section(page: Page, heading: string): string {
  const [, body] = page.text.split(`\n## ${heading}\n`);
  if (body === undefined) throw new Error(`${page.path} has no section "${heading}"`);
  return body.split(/^## /m)[0] ?? "";
}

/** The rows of a section's table by the code in their first cell. A code that is there twice is an error. */
export function rowsOf(page: Page, heading: string): ReadonlyMap<string, readonly string[]> {
  const rows = new Map<string, readonly string[]>();
  for (const [, code = "", rest = ""] of section(page, heading).matchAll(/^\| `([^`]+)` *\|(.*)\|$/gm)) {
    if (rows.has(code)) throw new Error(`${page.path}, "${heading}": ${code} is there twice`);
    rows.set(
      code,
      rest.split("|").map((cell) => cell.trim()),
    );
  }
  return rows;
}

/** The anchors that a page offers, as GitHub makes them of its headings. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of proseOf(text).matchAll(/^#{1,6} +(.+)$/gm)) {
    const slug = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let again = 1; anchors.has(anchor); again += 1) anchor = `${slug}-${again}`;
    anchors.add(anchor);
  }
  return anchors;
}
