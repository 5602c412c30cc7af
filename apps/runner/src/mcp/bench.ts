import type { Tool, ToolCall, ToolResult, Workbench } from "../tools/tool.ts";

/** Tools that are run elsewhere, by whoever has them: what is said of a call is all that is known here. */
export interface RemoteBench {
  /** Rejects with ServiceError, SandboxGone, or the signal's reason. */
  call(tool: string, input: unknown, signal: AbortSignal): Promise<ToolResult>;
}

/** Where a session's tools work: in a sandbox of this runner, or elsewhere. */
export type Bench = Workbench | RemoteBench;

export function runOn(
  bench: Bench,
  tool: Tool,
  { input, ...call }: ToolCall & { input: unknown },
): Promise<ToolResult> {
  return "call" in bench ? bench.call(tool.name, input, call.signal) : tool.run(bench, input, call);
}
