import { type CallToolResult, createMcpHandler, type McpHttpHandler } from "@modelcontextprotocol/server";
import { failure, inputProblem } from "../tools/define-tool.ts";
import type { ToolResult } from "../tools/tool.ts";
import { type CallDeps, callSandbox, saidOf } from "./call-sandbox.ts";
import { callerOf } from "./caller.ts";
import { mcpServer, type WireCall } from "./mcp-server.ts";
import type { Caller, Sandboxes } from "./sandboxes.ts";
import { listedToolsWithHandle, sandboxArgument, sandboxHandle } from "./tool-list.ts";

const metaKey = "dev.sallyport/sandbox";

export interface StatelessDeps extends CallDeps {
  readonly sandboxes: Sandboxes;
  readonly version: string;
  readonly maxBodyBytes: number;
}

/**
 * MCP 2026-07-28: each request stands alone, and a tool's argument `sandbox` names where it works. Without it a sandbox
 * is opened, and the result names it. A closed stream is the cancellation.
 */
export function statelessWire(deps: StatelessDeps): McpHttpHandler {
  return createMcpHandler(
    ({ authInfo }) => {
      const caller = callerOf(authInfo);
      return mcpServer(deps.version, listedToolsWithHandle, (call) => answer(call, caller, deps));
    },
    { legacy: "reject", maxRequestBodySize: deps.maxBodyBytes, maxSubscriptions: 1 },
  );
}

async function answer(call: WireCall, caller: Caller, deps: StatelessDeps): Promise<CallToolResult> {
  const { [sandboxArgument]: named, ...input } = call.input;
  const handle = sandboxHandle.safeParse(named);
  const problem = handle.success ? inputProblem(call.tool, input) : `${call.tool.name}: no name of a sandbox`;
  if (problem !== undefined) return wired(failure(problem));
  if (handle.data !== undefined) return await inSandbox({ ...call, input }, handle.data, caller, deps);
  return await inNewSandbox({ ...call, input }, caller, deps);
}

async function inNewSandbox(call: WireCall, caller: Caller, deps: StatelessDeps): Promise<CallToolResult> {
  let handle: string;
  try {
    handle = await deps.sandboxes.open(caller);
  } catch (error) {
    deps.log.warn({ err: error, pool: caller.pool }, "no sandbox could be opened");
    return wired(failure(`${call.tool.name}: ${saidOf(error)}`));
  }
  try {
    const result = await inSandbox(call, handle, caller, deps);
    call.signal.throwIfAborted();
    return { ...result, content: [...result.content, { type: "text", text: `sandbox: ${handle}` }] };
  } catch (error) {
    // Nobody was told its name, so nobody could use it again.
    await deps.sandboxes.end(handle, caller).catch(() => {});
    throw error;
  }
}

async function inSandbox(
  call: WireCall,
  handle: string,
  caller: Caller,
  deps: StatelessDeps,
): Promise<CallToolResult> {
  const bench = () => deps.sandboxes.use(handle, caller);
  const outcome = await callSandbox({ ...call, handle, bench }, deps);
  if (outcome.outcome === "gone") return wired(failure(gone));
  return { ...wired(outcome.result), _meta: { [metaKey]: handle } };
}

/** The same for a sandbox that ended, one that never was, and another's. */
const gone =
  "This sandbox is gone, and its files, shell and processes are lost. To begin a new, empty one, call again without `sandbox`.";

export function wired({ content, isError }: ToolResult): CallToolResult {
  return { content: [...content], isError };
}
