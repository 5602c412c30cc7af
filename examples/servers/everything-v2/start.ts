import { type NodeIncomingMessageLike, toNodeHandler } from "@modelcontextprotocol/node";
import { createMcpHandler, isLegacyRequest, type ServerNotifier } from "@modelcontextprotocol/server";
import type { ServeOptions } from "../http/command-line.ts";
import { guard } from "../http/guard.ts";
import { listen, type Running } from "../http/listen.ts";
import { everythingServers } from "./server.ts";
import { sessions } from "./sessions.ts";

/** Start the server in this process. `url` is the MCP endpoint, the same for both eras. */
export async function startEverythingV2(options: ServeOptions = {}): Promise<Running> {
  const changed = (): ServerNotifier => stateless.notify;
  const newServer = everythingServers(changed);
  const stateless = createMcpHandler(newServer, { legacy: "reject" });
  const stateful = sessions(newServer);
  const mcp = toNodeHandler({
    fetch: async (request) => ((await isLegacyRequest(request)) ? stateful : stateless).fetch(request),
  });

  const admitted = guard(options);
  const running = await listen((req, res) => {
    if (!admitted(req, res)) return;
    if (req.url?.split("?")[0] !== "/mcp") return void res.writeHead(404).end();
    void mcp(req as NodeIncomingMessageLike, res).catch(() => res.destroy());
  }, options);
  return {
    url: `${running.url}/mcp`,
    async close() {
      await Promise.all([stateless.close(), stateful.close()]);
      await running.close();
    },
  };
}
