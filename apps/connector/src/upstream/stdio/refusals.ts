import type { UpstreamReply } from "@sallyport/gate";
import type { RequestId } from "@sallyport/mcp";
import type { EnvelopeProblem } from "./envelope.ts";

const INVALID_REQUEST = -32600;
/** What the official SDKs say of a session that is gone. */
const SESSION_NOT_FOUND = -32001;

/** Streamable HTTP, "Session Management": the client starts a new session. */
export function noSession(reply: UpstreamReply, id?: RequestId): void {
  refuse(reply, { status: 404, code: SESSION_NOT_FOUND, message: "Session not found", id });
}

export function badRequest(reply: UpstreamReply, message: string, id?: RequestId): void {
  refuse(reply, { status: 400, code: INVALID_REQUEST, message, id });
}

export function malformed(reply: UpstreamReply, problem: EnvelopeProblem, id?: RequestId): void {
  refuse(reply, { status: 400, ...problem, id });
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
    data?: object;
    id?: RequestId | undefined;
    headers?: [string, string][];
  },
): void {
  const { status, id, code, message, data } = refusal;
  const error = data === undefined ? { code, message } : { code, message, data };
  reply.head(status, [["content-type", "application/json"], ...(refusal.headers ?? [])]);
  reply.data(Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...(id === undefined ? {} : { id }), error })));
  reply.end();
}
