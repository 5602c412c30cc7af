/** The SDK v2 server over HTTP, for both eras of the protocol. */
import { serveUntilStopped } from "../http/command-line.ts";
import { startEverythingV2 } from "./start.ts";

await serveUntilStopped(startEverythingV2);
