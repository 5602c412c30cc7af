import type { ServeOptions } from "../http/command-line.ts";
import { guard } from "../http/guard.ts";
import { listen, type Running } from "../http/listen.ts";
import { everythingServer } from "./server.ts";
import { sessions } from "./sessions.ts";

/** Start the server in this process. `url` is the MCP endpoint. */
export async function startEverythingV1(options: ServeOptions = {}): Promise<Running> {
  const admitted = guard(options);
  const mcp = sessions(everythingServer);
  const running = await listen((req, res) => {
    if (!admitted(req, res)) return;
    if (req.url?.split("?")[0] !== "/mcp") return void res.writeHead(404).end();
    void mcp.handle(req, res).catch(() => res.destroy());
  }, options);
  return {
    url: `${running.url}/mcp`,
    async close() {
      await mcp.close();
      await running.close();
    },
  };
}
