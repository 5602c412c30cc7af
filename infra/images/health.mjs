// Asks the zone of this container, at the socket that is named, whether it is alive. Exit code 0 when it says so, 1 for anything else.
import { request } from "node:http";

const asked = { socketPath: process.argv[2], path: "/healthz", timeout: 4_000 };
const sent = request(asked, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1));
sent.once("error", () => process.exit(1));
sent.once("timeout", () => process.exit(1));
sent.end();
