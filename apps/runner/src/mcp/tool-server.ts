import { isLegacyRequest, readRequestBody } from "@modelcontextprotocol/server";
import { SandboxGone } from "../sandboxes/sandbox-gone.ts";
import type { CallDeps } from "./call-sandbox.ts";
import { authInfoOf } from "./caller.ts";
import { CallsInProgress } from "./calls-in-progress.ts";
import { refusal } from "./http-refusal.ts";
import { type ToolServerLimits, usualLimits } from "./limits.ts";
import type { Caller, Sandboxes } from "./sandboxes.ts";
import { SessionWire } from "./session-wire.ts";
import { statelessWire } from "./stateless-wire.ts";
import { watchedResponse } from "./watched-response.ts";

export type { Caller, Sandboxes } from "./sandboxes.ts";

export interface ToolServerDeps {
  readonly sandboxes: Sandboxes;
  readonly version: string;
  readonly limits?: Partial<ToolServerLimits>;
  readonly log: CallDeps["log"];
}

export interface ToolServer {
  /**
   * One HTTP exchange of Streamable HTTP, of either wire. Who calls is told beside it and never read from it; Host and
   * Origin are the edge's to check.
   */
  handle(request: Request, caller: Caller): Promise<Response>;
  /** The sandbox is gone: its calls end, and its MCP session is not found from now on. */
  ended(handle: string): void;
  close(): Promise<void>;
}

/** The tools of a sandbox as an MCP server that speaks both wires, 2026-07-28 and those with sessions before it. */
export function openToolServer(deps: ToolServerDeps): ToolServer {
  const { sandboxes, version, log } = deps;
  const limits = { ...usualLimits, ...deps.limits };
  const { maxBodyBytes, maxSessions } = limits;
  const calls = new CallsInProgress(limits.maxCallsPerSandbox);
  const stateless = statelessWire({ sandboxes, version, log, calls, maxBodyBytes });
  const sessions = new SessionWire({ sandboxes, version, log, calls, maxSessions });
  const answer = async (request: Request, caller: Caller): Promise<Response> => {
    const read = await bodyOf(request, maxBodyBytes);
    if ("refused" in read) return read.refused;
    if (await isLegacyRequest(request, read.body)) return await sessions.fetch(request, caller, read.body);
    const { body: parsedBody } = read;
    return await stateless.fetch(request, { parsedBody, authInfo: authInfoOf(caller) });
  };
  // Node's Request hears of an abort only while somebody holds it: one collected in mid-call could not be cancelled.
  const held = new Set<Request>();
  return {
    handle: async (request, caller) => {
      held.add(request);
      const over = () => held.delete(request);
      try {
        return watchedResponse(await answer(request, caller), { over });
      } catch (error) {
        over();
        throw error;
      }
    },
    ended: (handle) => {
      calls.end(handle, new SandboxGone());
      sessions.ended(handle);
    },
    close: async () => {
      await Promise.all([sessions.close(), stateless.close()]);
    },
  };
}

/** Read once, in bounds, for whichever wire it is. */
async function bodyOf(
  request: Request,
  maxBytes: number,
): Promise<{ body: unknown } | { refused: Response }> {
  if (request.method !== "POST") return { body: undefined };
  const read = await readRequestBody(request, maxBytes);
  if (read.tooLarge) return { refused: refusal(413, -32_000, `a request has at most ${maxBytes} bytes`) };
  try {
    return { body: JSON.parse(read.text) };
  } catch {
    return { refused: refusal(400, -32_700, "the body is not JSON") };
  }
}
