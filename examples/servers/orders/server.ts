import { type CallToolResult, McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import type { ApiAnswer, CallApi } from "./client.ts";

const orderId = z.string().regex(/^[A-Z]-\d{1,6}$/, "an order id looks like A-1001");
const STATUSES = ["paid", "shipped", "delivered", "refunded"] as const;

/** The MCP server in front of the orders API: two tools that read, one that writes. */
export function ordersServer(api: CallApi): McpServer {
  const server = new McpServer({ name: "orders", version: "1.0.0" });

  server.registerTool(
    "list_orders",
    {
      title: "List orders",
      description: "List the shop's orders, newest last. Amounts are in cents.",
      inputSchema: z.object({ status: z.enum(STATUSES).optional().describe("only orders of this status") }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ status }) => toolResult(await api("GET", status ? `/orders?status=${status}` : "/orders")),
  );

  server.registerTool(
    "get_order",
    {
      title: "Get one order",
      description: "Get one order by its id.",
      inputSchema: z.object({ id: orderId }),
      annotations: { readOnlyHint: true, openWorldHint: false },
    },
    async ({ id }) => toolResult(await api("GET", `/orders/${id}`)),
  );

  server.registerTool(
    "refund_order",
    {
      title: "Refund an order",
      description: "Give the customer the whole total back. Cannot be undone.",
      inputSchema: z.object({ id: orderId }),
      annotations: {
        readOnlyHint: false,
        destructiveHint: true,
        idempotentHint: false,
        openWorldHint: false,
      },
    },
    async ({ id }) => toolResult(await api("POST", `/orders/${id}/refund`)),
  );

  return server;
}

function toolResult({ ok, body }: ApiAnswer): CallToolResult {
  return { content: [{ type: "text", text: JSON.stringify(body, null, 2) }], isError: !ok };
}
