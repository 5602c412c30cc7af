import type { RequestId } from "@sallyport/mcp";
import type { UpstreamReply } from "../upstream.ts";

const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
/** What the official SDKs say of a session that is gone. */
const SESSION_NOT_FOUND = -32001;

/** Streamable HTTP, "Session Management": the client starts a new session. */
export function noSession(reply: UpstreamReply, id?: RequestId): void {
  refuse(reply, { status: 404, code: SESSION_NOT_FOUND, message: "Session not found", id });
}

export function badRequest(reply: UpstreamReply, message: string, id?: RequestId): void {
  refuse(reply, { status: 400, code: INVALID_REQUEST, message, id });
}

export function invalidParams(reply: UpstreamReply, message: string, id?: RequestId): void {
  refuse(reply, { status: 400, code: INVALID_PARAMS, message, id });
}

export function notAllowed(reply: UpstreamReply): void {
  refuse(reply, {
    status: 405,
    code: INVALID_REQUEST,
    message: "Without a session there is only POST",
    headers: [["allow", "POST"]],
  });
}

export function conflict(reply: UpstreamReply): void {
  refuse(reply, {
    status: 409,
    code: INVALID_REQUEST,
    message: "Conflict: a session has one GET stream, and it is open",
  });
}

export function accepted(reply: UpstreamReply): void {
  reply.head(202, []);
  reply.end();
}

function refuse(
  reply: UpstreamReply,
  refusal: {
    status: number;
    code: number;
    message: string;
    id?: RequestId | undefined;
    headers?: [string, string][];
  },
): void {
  const { status, code, message, id } = refusal;
  reply.head(status, [["content-type", "application/json"], ...(refusal.headers ?? [])]);
  reply.data(
    Buffer.from(
      JSON.stringify({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), error: { code, message } }),
    ),
  );
  reply.end();
}
