import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler } from "@modelcontextprotocol/server";
import type { ServeOptions } from "../http/command-line.ts";
import { guard } from "../http/guard.ts";
import { listen, type Running } from "../http/listen.ts";
import { ordersApi } from "./api.ts";
import { orderBook } from "./book.ts";
import { ordersClient } from "./client.ts";
import { demoOrders } from "./data.ts";
import { ordersServer } from "./server.ts";

/**
 * Start the API at /orders and the MCP server at /mcp, on one port. Both answer 401 without the token; the MCP
 * server holds none of its own and passes on the one that its caller brought. Both eras of the protocol.
 */
export async function startOrders(options: ServeOptions): Promise<Running> {
  if (options.token === undefined) throw new Error("orders needs a token: start it with --token-file FILE");
  const admitted = guard(options);
  const api = ordersApi(orderBook(demoOrders()));
  const self = { origin: "" };
  const mcp = createMcpHandler(({ requestInfo }) =>
    ordersServer(ordersClient(self.origin, requestInfo?.headers.get("authorization") ?? "")),
  );
  const handleMcp = toNodeHandler(mcp);

  const running = await listen((req, res) => {
    if (!admitted(req, res)) return;
    if (req.url?.split("?")[0] !== "/mcp") return api(req, res);
    void handleMcp(req as NodeIncomingMessageLike, res).catch(() => res.destroy());
  }, options);
  // The API is called on the address that was bound; a wildcard is no address to dial.
  self.origin = running.url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:");
  return {
    url: `${running.url}/mcp`,
    async close() {
      await mcp.close();
      await running.close();
    },
  };
}
