import { readFileSync } from "node:fs";
import { connect } from "node:tls";
import { Agent, fetch as fetchThrough } from "undici";

/** `fetch` by way of a port of loopback that leads to a server of this name, with a certificate of its own. */
export function through(port: number, servername: string, caFile: string) {
  const dispatcher = new Agent({
    connect: (_options, done) => {
      const socket = connect({ host: "127.0.0.1", port, servername, ca: readFileSync(caFile, "utf8") });
      socket.once("secureConnect", () => done(null, socket));
      socket.once("error", (error) => done(error, null));
    },
  });
  return {
    // The types of the package and of the global that is made of it are two names for one thing.
    fetch: ((input: string | URL, init: object) =>
      fetchThrough(input, { ...init, dispatcher })) as unknown as typeof fetch,
    close: () => dispatcher.close(),
  };
}
