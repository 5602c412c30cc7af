import { isLegacyRequest } from "@modelcontextprotocol/server";
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

/** One HTTP exchange of Streamable HTTP, of either wire. Host and Origin are the edge's to check. */
export interface ToolExchange {
  /** Without its body. */
  readonly request: Request;
  readonly body: Uint8Array;
  /** Nobody waits for the answer any more. */
  readonly left: AbortSignal;
}

export interface ToolServer {
  /** Who calls is told beside the exchange and never read from it. */
  handle(exchange: ToolExchange, caller: Caller): Promise<Response>;
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
  // Node's Request hears of an abort only while somebody holds it: one collected in mid-call could not be cancelled.
  const held = new Set<Request>();
  const withoutSession = async (request: Request, caller: Caller, parsedBody: unknown): Promise<Response> => {
    held.add(request);
    const over = () => void held.delete(request);
    try {
      return watchedResponse(
        await stateless.fetch(request, { parsedBody, authInfo: authInfoOf(caller) }),
        over,
      );
    } catch (error) {
      over();
      throw error;
    }
  };
  return {
    handle: async ({ request, body, left }, caller) => {
      const read = request.method === "POST" ? messageIn(body, maxBodyBytes) : { message: undefined };
      if ("refused" in read) return read.refused;
      if (await isLegacyRequest(request, read.message))
        return await sessions.fetch({ request, left }, caller, read.message);
      return await withoutSession(new Request(request, { signal: left }), caller, read.message);
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
function messageIn(body: Uint8Array, maxBytes: number): { message: unknown } | { refused: Response } {
  if (body.length > maxBytes)
    return { refused: refusal(413, -32_000, `a request has at most ${maxBytes} bytes`) };
  try {
    return { message: JSON.parse(new TextDecoder().decode(body)) };
  } catch {
    return { refused: refusal(400, -32_700, "the body is not JSON") };
  }
}
