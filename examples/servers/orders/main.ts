/** The demo's private orders API and the MCP server in front of it. */
import { serveUntilStopped } from "../http/command-line.ts";
import { startOrders } from "./start.ts";

await serveUntilStopped(startOrders);
