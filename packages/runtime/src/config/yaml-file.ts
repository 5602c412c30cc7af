import { readFileSync, statSync } from "node:fs";
import {
  type Document,
  isMap,
  isPair,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from "yaml";
import { ConfigError } from "./config-error.ts";

const maxBytes = 1024 * 1024;

export interface YamlFile {
  value: unknown;
  /** `file:line:column` of the deepest part of the path that the file holds. */
  where(path: readonly PropertyKey[]): string;
}

export function readYamlFile(file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(readText(file), { lineCounter: lines, prettyErrors: false });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => ({ where: place(error.pos[0]), setting: "", what: error.message })),
    );
  }
  return {
    value: plainValue(document, file),
    where: (path) => place(offsetOf(document.contents, path)),
  };
}

/** Aliases are bounded: a few nested ones can otherwise stand for gigabytes. */
function plainValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 50 }) ?? {};
  } catch (error) {
    throw new ConfigError([{ where: file, setting: "", what: (error as Error).message }]);
  }
}

function readText(file: string): string {
  try {
    if (statSync(file).size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    return readFileSync(file, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file" : String(error);
    throw new ConfigError([{ where: file, setting: "", what: reason }]);
  }
}

function offsetOf(root: Node | null, path: readonly PropertyKey[]): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const key of path) {
    const found = childOf(node, key);
    if (found === undefined) break;
    offset = found.offset;
    node = found.node;
  }
  return offset;
}

function childOf(node: unknown, key: PropertyKey): { node: unknown; offset: number } | undefined {
  if (isMap(node)) {
    const pair = node.items.find(
      (item: Pair) => isScalar(item.key) && String(item.key.value) === String(key),
    );
    if (!isPair(pair)) return undefined;
    return { node: pair.value, offset: (pair.key as Node).range?.[0] ?? 0 };
  }
  const items = (node as { items?: unknown[] } | undefined)?.items;
  const item = Array.isArray(items) ? (items[Number(key)] as Node | undefined) : undefined;
  return item === undefined ? undefined : { node: item, offset: item.range?.[0] ?? 0 };
}
