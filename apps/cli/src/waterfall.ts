import type { Span } from "@sallyport/contracts";
import { printable } from "@sallyport/contracts";
import pc from "picocolors";

export interface WaterfallOptions {
  color: boolean;
  /** Columns of the terminal. */
  width: number;
}

interface Line {
  span: Span;
  depth: number;
}

type Paint = (text: string) => string;

/**
 * A trace as lines, one span each, children below their parent: zone, name, a bar from start to end, the time it took.
 * An error has a cross and its message. Names come from the zones, so nothing in them can command the terminal.
 */
export function renderWaterfall(spans: readonly Span[], options: WaterfallOptions): string {
  const lines = treeOrder(spans);
  if (lines.length === 0) return "no spans\n";
  const begin = spans.map(({ start }) => BigInt(start)).toSorted(compare)[0] ?? 0n;
  const end =
    spans
      .map((span) => BigInt(span.end))
      .toSorted(compare)
      .at(-1) ?? begin;
  const total = end - begin;
  const columns = columnsFor(lines, options.width);
  const paints = zonePaints(options.color);
  const red = pc.createColors(options.color).red;
  const rows = lines.map((line) => {
    const { span } = line;
    const paint = span.error === undefined ? (paints.get(span.zone) ?? plain) : red;
    const zone = (paints.get(span.zone) ?? plain)(cell(span.zone, columns.zone));
    const name = (span.error === undefined ? plain : red)(cell(labelOf(line), columns.label));
    const bar = barOf(span, { begin, total, width: columns.bar });
    const took = durationText(BigInt(span.end) - BigInt(span.start)).padStart(columns.time);
    return `${zone} ${name} ${bar.before}${paint(bar.filled)}${bar.after} ${took}`;
  });
  return `${heading(spans, total)}\n${rows.join("\n")}\n`;
}

function heading(spans: readonly Span[], total: bigint): string {
  const errors = spans.filter(({ error }) => error !== undefined).length;
  const parts = [counted(spans.length, "span"), durationText(total)];
  if (errors > 0) parts.push(counted(errors, "error"));
  return `trace ${printable(spans[0]?.traceId ?? "", 32)}: ${parts.join(", ")}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * Depth first, siblings by their start. A span whose parent is not here is a root; spans that are each other's ancestors
 * follow at the end. Without recursion: how deep a trace is, is its sender's choice.
 */
function treeOrder(spans: readonly Span[]): Line[] {
  const sorted = spans.toSorted((a, b) => compare(BigInt(a.start), BigInt(b.start)));
  const ids = new Set(sorted.map(({ spanId }) => spanId));
  const children = Map.groupBy(sorted, ({ parentId }) => parentId);
  const roots = sorted.filter(({ parentId }) => parentId === undefined || !ids.has(parentId));
  const seen = new Set<Span>();
  const lines: Line[] = [];
  for (const root of [...roots, ...sorted]) {
    const stack: Line[] = [{ span: root, depth: 0 }];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { span, depth } = next;
      if (seen.has(span)) continue;
      seen.add(span);
      lines.push(next);
      const below = (children.get(span.spanId) ?? []).map((child) => ({ span: child, depth: depth + 1 }));
      stack.push(...below.reverse());
    }
  }
  return lines;
}

/** Indent beyond this says nothing more. */
const maxIndent = 12;

function labelOf({ span, depth }: Line): string {
  const indent = depth === 0 ? "" : `${"  ".repeat(Math.min(depth, maxIndent) - 1)}└ `;
  const error = span.error === undefined ? "" : `: ${span.error}`;
  return `${indent}${span.error === undefined ? "" : "✗ "}${span.name}${error}`;
}

function columnsFor(lines: readonly Line[], width: number) {
  const zone = Math.min(12, Math.max(...lines.map(({ span }) => printable(span.zone, 12).length)));
  const time = 8;
  const room = Math.max(20, Math.min(width, 200) - zone - time - 3);
  const longest = Math.max(...lines.map((line) => printable(labelOf(line), 200).length));
  const label = Math.min(longest, Math.max(10, Math.floor(room * 0.55)));
  return { zone, time, label, bar: Math.max(5, room - label) };
}

function cell(text: string, width: number): string {
  return printable(text, width).padEnd(width);
}

function barOf(span: Span, scale: { begin: bigint; total: bigint; width: number }) {
  const at = (time: string): number =>
    scale.total === 0n ? 0 : (Number(BigInt(time) - scale.begin) / Number(scale.total)) * scale.width;
  // Every span shows at least one cell, also at the right edge.
  const from = Math.min(Math.floor(at(span.start)), scale.width - 1);
  const length = Math.min(scale.width - from, Math.max(1, Math.round(at(span.end) - at(span.start))));
  return {
    before: " ".repeat(from),
    filled: "█".repeat(length),
    after: " ".repeat(scale.width - from - length),
  };
}

/** Nanoseconds with the unit that fits. */
function durationText(ns: bigint): string {
  const ms = Number(ns) / 1e6;
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${ms.toFixed(1)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function zonePaints(color: boolean): Map<string, Paint> {
  const { cyan, green, magenta, yellow, blue } = pc.createColors(color);
  const zones = { edge: cyan, connector: green, broker: magenta, collector: yellow, operator: blue };
  return new Map(Object.entries(zones));
}

function plain(text: string): string {
  return text;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
