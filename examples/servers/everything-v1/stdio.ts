/** The SDK v1 server over stdio: it ends when its input does. */
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { everythingServer } from "./server.ts";

await everythingServer().connect(new StdioServerTransport());
