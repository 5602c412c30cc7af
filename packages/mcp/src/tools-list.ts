import { isUtf8 } from "node:buffer";
import { elementSpans } from "./json-spans.ts";
import { replaceSseData, sseData } from "./sse.ts";
import { type JsonLimits, type JsonProblem, parseStrict } from "./strict-json.ts";

export type Filtered =
  | { readonly ok: true; readonly bytes: Uint8Array; readonly hidden: number }
  | { readonly ok: false; readonly problem: JsonProblem };

/**
 * Takes the tools out of a tools/list answer that `keep` does not want shown; an entry without a name goes too. All else,
 * the cursor and the digits of every number included, stays byte for byte; with nothing to hide the same bytes come back.
 * What is no answer with a list of tools passes unchanged.
 *
 * Hiding spares the model a refusal; it is not the gate. A body that does not parse strictly is a failure, since a client
 * might read a list in it that was not seen here.
 */
export function filterToolsList(
  body: Uint8Array,
  keep: (name: string, definition: Readonly<Record<string, unknown>>) => boolean,
  limits: JsonLimits,
): Filtered {
  const json = parseStrict(body, limits);
  if (!json.ok) return json;
  const batch = Array.isArray(json.value);
  const messages: unknown[] = batch ? (json.value as unknown[]) : [json.value];
  const cuts: { readonly start: number; readonly end: number }[] = [];
  messages.forEach((message, index) => {
    const tools = toolsOf(message);
    if (!tools) return;
    const dropped = tools.map(
      (tool) => !isRecord(tool) || typeof tool.name !== "string" || !keep(tool.name, tool),
    );
    if (!dropped.includes(true)) return;
    const spans = elementSpans(json.text, [...(batch ? [index] : []), "result", "tools"]);
    cuts.push(...cutsOf(spans, dropped));
  });
  if (cuts.length === 0) return { ok: true, bytes: body, hidden: 0 };
  let kept = "";
  let from = 0;
  for (const cut of cuts) {
    kept += json.text.slice(from, cut.start);
    from = cut.end;
  }
  return { ok: true, bytes: Buffer.from(kept + json.text.slice(from)), hidden: cuts.length };
}

/** The same for one server-sent event. Events of a resumed stream can carry the answer as well, so ask for those too. */
export function filterToolsListEvent(
  raw: Uint8Array,
  keep: (name: string, definition: Readonly<Record<string, unknown>>) => boolean,
  limits: JsonLimits,
): Filtered {
  if (!isUtf8(raw)) return { ok: false, problem: "invalid-utf8" };
  const data = sseData(raw);
  if (data === undefined || data.trim() === "") return { ok: true, bytes: raw, hidden: 0 };
  const filtered = filterToolsList(Buffer.from(data), keep, limits);
  if (!filtered.ok || filtered.hidden === 0)
    return filtered.ok ? { ok: true, bytes: raw, hidden: 0 } : filtered;
  const text = Buffer.from(filtered.bytes).toString("utf8");
  return { ok: true, bytes: replaceSseData(raw, text), hidden: filtered.hidden };
}

function toolsOf(message: unknown): readonly unknown[] | undefined {
  if (!isRecord(message) || !isRecord(message.result)) return undefined;
  const tools = message.result.tools;
  return Array.isArray(tools) ? (tools as unknown[]) : undefined;
}

/** Each dropped element goes with the comma after it; a dropped tail goes with the comma before it. */
function cutsOf(
  spans: readonly { readonly start: number; readonly end: number }[],
  dropped: readonly boolean[],
): { start: number; end: number }[] {
  const lastKept = dropped.lastIndexOf(false);
  return spans.flatMap((span, index) => {
    if (!dropped[index]) return [];
    const next = spans[index + 1];
    const before = spans[index - 1];
    if (index < lastKept && next) return [{ start: span.start, end: next.start }];
    return [
      {
        start: lastKept >= 0 && before ? before.end : span.start,
        end: next && lastKept < 0 ? next.start : span.end,
      },
    ];
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
