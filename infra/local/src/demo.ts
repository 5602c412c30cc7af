import { randomBytes } from "node:crypto";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { runSandboxDemo } from "./sandbox-demo.ts";
import type { Stack } from "./stack.ts";

export interface DemoAnswer {
  server: string;
  call: string;
  lines: readonly string[];
  /** The trace that the agent began, as in its traceparent. */
  traceId: string;
}

/**
 * Real calls with the official MCP client: a private HTTP API behind a bearer token, a database, and a session in a
 * sandbox where there are any.
 */
export async function runDemo(stack: Stack): Promise<DemoAnswer[]> {
  return [
    await ask(stack, { server: "orders", tool: "get_order", arguments: { id: "A-1001" } }),
    await ask(stack, {
      server: "tickets",
      tool: "execute_sql",
      arguments: {
        sql: "SELECT current_user, id, customer, subject FROM tickets WHERE state = 'open' ORDER BY id",
      },
    }),
    ...(stack.sandboxes ? [await runSandboxDemo(stack)] : []),
  ];
}

async function ask(
  stack: Stack,
  call: { server: string; tool: string; arguments: Record<string, unknown> },
): Promise<DemoAnswer> {
  const traceId = randomBytes(16).toString("hex");
  const traceparent = `00-${traceId}-${randomBytes(8).toString("hex")}-01`;
  const client = new Client({ name: "sallyport-demo", version: "1" });
  const token = await stack.token(call.server);
  const transport = new StreamableHTTPClientTransport(new URL(stack.endpoint(call.server)), {
    requestInit: { headers: { authorization: `Bearer ${token}`, traceparent } },
  });
  await client.connect(transport);
  try {
    const result = await client.callTool({ name: call.tool, arguments: call.arguments });
    const text = (result.content as { type: string; text?: string }[])
      .map((part) => part.text ?? "")
      .join("\n");
    if (result.isError) throw new Error(`${call.server} answered with an error: ${text}`);
    return {
      server: call.server,
      call: `${call.tool} ${JSON.stringify(call.arguments)}`,
      lines: text.split("\n"),
      traceId,
    };
  } finally {
    // The wire without sessions has nothing to end; the other gives its leases back at once.
    await transport.terminateSession?.().catch(() => undefined);
    await client.close();
  }
}
