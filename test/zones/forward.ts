/**
 * A road between two networks that share this machine's files alone: TCP here, a unix socket there, or the other way
 * round. `node forward.ts '{"listen": {"host", "port"} | {"path"}, "to": …, "tls"?: {"certFile", "keyFile"}}'`
 */
import { readFileSync } from "node:fs";
import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

interface Forward {
  listen: { host: string; port: number } | { path: string };
  to: NetConnectOpts;
  /** Files: what arrives is TLS, and goes on without. */
  tls?: { certFile: string; keyFile: string };
}

const { listen, to, tls } = JSON.parse(process.argv[2] ?? "") as Forward;
const join = (one: Socket) => {
  const other = connect(to);
  for (const [from, into] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on("error", () => into.destroy());
    from.on("close", () => into.destroy());
    from.pipe(into);
  }
};
const server =
  tls === undefined
    ? createServer(join)
    : createTlsServer(
        { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), minVersion: "TLSv1.3" },
        join,
      );
server.on("tlsClientError", () => undefined);
server.listen(listen, () => console.log("listening"));
