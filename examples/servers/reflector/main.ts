/** The hostile server, for tests by hand. */
import { serveUntilStopped } from "../http/command-line.ts";
import { startReflector } from "./start.ts";

await serveUntilStopped(startReflector);
