/** The SDK v2 server over stdio, for both eras of the protocol: it ends when its input does. */
import type { ServerNotifier } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { everythingServers } from "./server.ts";

/** Over a pipe nothing is published to other clients: there are none. */
const nobody: ServerNotifier = {
  toolsChanged() {},
  promptsChanged() {},
  resourcesChanged() {},
  resourceUpdated() {},
};

serveStdio(everythingServers(() => nobody));
