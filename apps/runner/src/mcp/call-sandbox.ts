import { ServiceError } from "@sallyport/contracts";
import { SandboxError } from "@sallyport/sandbox-agent";
import { SandboxGone } from "../sandboxes/sandbox-gone.ts";
import { failure } from "../tools/define-tool.ts";
import type { Tool, ToolCall, ToolResult } from "../tools/tool.ts";
import { type Bench, runOn } from "./bench.ts";
import type { CallsInProgress } from "./calls-in-progress.ts";

export interface CallDeps {
  readonly calls: CallsInProgress;
  readonly log: { warn(fields: object, message: string): void };
}

export interface SandboxCall extends ToolCall {
  readonly tool: Tool;
  readonly input: unknown;
  readonly handle: string;
  readonly bench: () => Promise<Bench>;
}

export type CallOutcome =
  | { readonly outcome: "done"; readonly result: ToolResult }
  /** There is no such sandbox of this caller, or it ended in the middle of the call. */
  | { readonly outcome: "gone" };

/**
 * One call of a tool in a sandbox, bounded with the sandbox's other calls. Nothing that goes wrong in a sandbox is
 * an error of this server: the model is told what happened, in our words. Rejects only with the signal's reason.
 */
export async function callSandbox(call: SandboxCall, { calls, log }: CallDeps): Promise<CallOutcome> {
  const place = calls.begin(call.handle, call.signal);
  if (place === undefined)
    return done(failure(`${call.tool.name}: too many calls at once in this sandbox; wait for one to end`));
  try {
    const bench = await call.bench();
    return done(await runOn(bench, call.tool, { ...call, signal: place.signal }));
  } catch (error) {
    call.signal.throwIfAborted();
    if (place.signal.aborted || error instanceof SandboxGone || error instanceof SandboxError)
      return { outcome: "gone" };
    log.warn({ err: error, tool: call.tool.name }, "a tool call in a sandbox has failed");
    return done(failure(`${call.tool.name}: ${saidOf(error)}`));
  } finally {
    place.done();
  }
}

/** What a caller may know of an error. */
export function saidOf(error: unknown): string {
  if (error instanceof ServiceError) return error.message;
  if (error instanceof SandboxGone) return "no sandbox is there for this call; begin again";
  return "something went wrong here; the log has the details";
}

function done(result: ToolResult): CallOutcome {
  return { outcome: "done", result };
}
