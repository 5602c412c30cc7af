/** The SDK v1 server over Streamable HTTP. */
import { serveUntilStopped } from "../http/command-line.ts";
import { startEverythingV1 } from "./start.ts";

await serveUntilStopped(startEverythingV1);
