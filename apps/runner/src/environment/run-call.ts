import type { GatedToolCall, ToolCallAsk } from "@sallyport/gate";
import type { Scrubber } from "@sallyport/scrub";
import type { ImageBlock, TextBlock, Tool, ToolResult, Workbench } from "../tools/tool.ts";
import type { ToolUse } from "./api-shapes.ts";

const maxResultBytes = 16 * 1024 * 1024;

export interface RunCallDeps {
  tools: ReadonlyMap<string, Tool>;
  /** Decides and records before anything is done. */
  gate(ask: ToolCallAsk): Promise<GatedToolCall>;
  who: { agent: string; server: string; session: string };
  /** The session's sandbox, made when it is first needed. */
  bench(): Promise<Workbench>;
  toolMs: number;
  log: { warn(fields: object, message: string): void };
}

/** What is to be posted for a call, if its lease still holds. Never throws: whatever goes wrong, the model is told. */
export async function runCall(
  deps: RunCallDeps,
  call: ToolUse,
  { signal, traceId }: { signal: AbortSignal; traceId: string | undefined },
): Promise<{ event: object; isError: boolean }> {
  const { event, isError } = await outcomeOf(deps, call, { signal, traceId });
  return { event: resultEvent(call, event, isError), isError };
}

async function outcomeOf(
  deps: RunCallDeps,
  call: ToolUse,
  { signal, traceId }: { signal: AbortSignal; traceId: string | undefined },
): Promise<{ event: object[]; isError: boolean }> {
  const tool = deps.tools.get(call.name);
  if (tool === undefined) return failure(`There is no tool ${JSON.stringify(call.name)} here.`);
  const { agent, server, session } = deps.who;
  const ask = { agent, server, session, tool: tool.name, arguments: call.input, exchange: call.id, traceId };
  const gated = await deps.gate(ask).catch((error: unknown): GatedToolCall => {
    deps.log.warn({ err: error }, "a tool call could not be decided");
    return { allowed: false, reason: "Not carried out: the call cannot be decided now" };
  });
  if (!gated.allowed) return failure(gated.reason);
  const clock = AbortSignal.timeout(deps.toolMs);
  try {
    const bench = await deps.bench();
    const result = await tool.run(bench, call.input, { signal: AbortSignal.any([signal, clock]) });
    const content = blocksOf(result, gated.scrubber);
    const bytesOut = Buffer.byteLength(JSON.stringify(content));
    gated.ended({ outcome: result.isError ? "tool_error" : "ok", bytesOut });
    if (bytesOut > maxResultBytes) return failure(`The result is larger than ${maxResultBytes} bytes.`);
    return { event: content, isError: result.isError };
  } catch (error) {
    const cancelled = signal.aborted || clock.aborted;
    const reason = clock.aborted ? `no end within ${deps.toolMs} ms` : "the sandbox failed";
    gated.ended({ outcome: cancelled ? "cancelled" : "failed", bytesOut: 0, reason });
    if (!cancelled) deps.log.warn({ err: error, tool: tool.name }, "a tool call failed");
    const words = clock.aborted
      ? `The tool had not ended after ${deps.toolMs} ms, and was stopped.`
      : saidOf(error, gated.scrubber);
    return failure(words);
  }
}

/** What a sandbox's failure means for the model: nothing of it is left, and a new one is never put there in silence. */
function saidOf(error: unknown, scrubber: Scrubber): string {
  const why = error instanceof Error ? scrubber.text(error.message).slice(0, 500) : "unknown";
  return `The call was not completed: ${why}`;
}

export function failure(text: string): { event: object[]; isError: true } {
  return { event: [{ type: "text", text }], isError: true };
}

/** A result event answers the kind of call that asked: the other kind would leave it open for ever. */
export function resultEvent({ type, id }: ToolUse, content: object[], isError: boolean): object {
  return type === "agent.custom_tool_use"
    ? { type: "user.custom_tool_result", custom_tool_use_id: id, is_error: isError, content }
    : { type: "user.tool_result", tool_use_id: id, is_error: isError, content };
}

function blocksOf({ content }: ToolResult, scrubber: Scrubber): object[] {
  const blocks = content.map((block) => blockOf(block, scrubber));
  return blocks.length === 0 ? [{ type: "text", text: "(no output)" }] : blocks;
}

/** In the API's words. An empty text is refused there, and the call would wait for ever. */
function blockOf(block: TextBlock | ImageBlock, scrubber: Scrubber): object {
  if (block.type === "text") return { type: "text", text: scrubber.text(block.text) || "(no output)" };
  const source = { type: "base64", media_type: block.mimeType, data: block.data };
  const clean = scrubber.text(block.data) === block.data;
  return clean ? { type: "image", source } : { type: "text", text: "[an image that holds a credential]" };
}
