import type { Server } from "@sallyport/gate";
import type { App } from "@sallyport/runtime";
import type { WorkerPool } from "../config.ts";
import { openToolServer } from "../mcp/tool-server.ts";
import { toolServerUpstream } from "../upstream/tool-server-upstream.ts";
import { RemotePool } from "./remote-pool.ts";

/** A pool whose tools are run by workers outside, as a server of the gate's: decided and recorded here, like any other. */
export function openRemotePool(app: App, of: { name: string; runner: string; pool: WorkerPool }): Server {
  const { name, runner, pool } = of;
  const sandboxes = new RemotePool({
    ...{ runner, sessions: pool.sessions, idleMs: pool.idle, log: app.log },
    ended: (handle) => tools.ended(handle),
  });
  const tools = openToolServer({ sandboxes, version: app.version, log: app.log });
  app.use({ close: () => tools.close() }, `tools of ${name}`);
  app.use({ close: async () => sandboxes.close() }, `sessions of ${name}`);
  return {
    name,
    upstream: toolServerUpstream({
      pool: name,
      handle: async (exchange, caller) => {
        const { request } = exchange;
        const response = await tools.handle(exchange, caller);
        const handle = request.headers.get("mcp-session-id");
        if (request.method === "DELETE" && response.ok && handle !== null)
          await sandboxes.forget(handle, caller);
        return response;
      },
      problem: () => undefined,
    }),
    callAction: "sandbox/exec",
    credential: undefined,
  };
}
