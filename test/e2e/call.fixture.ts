import type { Stack } from "@sallyport/infra-local";

export type Wire = "2026-07-28" | "2025-11-25";
export const wires: readonly Wire[] = ["2026-07-28", "2025-11-25"];

/** One POST of an agent: what is in its head and its body. */
export interface Post {
  headers: Record<string, string>;
  body: string;
}

/** A JSON-RPC request as a client of that wire sends it. */
export function requestOn(
  wire: Wire,
  method: string,
  params: { name?: string; arguments?: object } = {},
): Post {
  const headers = { "mcp-protocol-version": wire };
  if (wire === "2025-11-25")
    return { headers, body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }) };
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": wire,
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const name = params.name === undefined ? {} : { "mcp-name": params.name };
  return {
    headers: { ...headers, "mcp-method": method, ...name },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: { ...params, _meta } }),
  };
}

export function toolCall(wire: Wire, name: string, args: object = {}): Post {
  return requestOn(wire, "tools/call", { name, arguments: args });
}

/** What came back for one request, whole. `message` is the JSON-RPC message of a JSON body, or the last one of a stream. */
export interface Reply {
  status: number;
  headers: Headers;
  text: string;
  message: RpcMessage;
}

export interface RpcMessage {
  id?: unknown;
  result?: { content?: { type: string; text?: string }[]; tools?: { name: string }[] } & Record<
    string,
    unknown
  >;
  error?: {
    code: number;
    message: string;
    data?: { sallyport?: Record<string, unknown> } & Record<string, unknown>;
  };
}

export async function send(
  stack: Stack,
  to: { server: string; token: string; method?: string; signal?: AbortSignal },
  { headers, body }: Partial<Post>,
): Promise<Response> {
  return await fetch(stack.endpoint(to.server), {
    method: to.method ?? "POST",
    redirect: "manual",
    headers: {
      authorization: `Bearer ${to.token}`,
      accept: "application/json, text/event-stream",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body }),
    ...(to.signal ? { signal: to.signal } : {}),
  });
}

export async function ask(
  stack: Stack,
  to: { server: string; token: string; method?: string },
  post: Partial<Post>,
): Promise<Reply> {
  const response = await send(stack, to, post);
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, message: messageIn(text) };
}

function messageIn(text: string): RpcMessage {
  const last = [...text.matchAll(/^data: ?(\{.*)$/gm)].at(-1)?.[1];
  try {
    return JSON.parse(last ?? text) as RpcMessage;
  } catch {
    return {};
  }
}

/** The text of a tool's result. */
export function textOf({ message }: Pick<Reply, "message">): string {
  return message.result?.content?.map((one) => one.text ?? "").join("") ?? "";
}
