import { createServer, type RequestListener } from "node:http";

/** A server that runs: where it answers, and how to stop it. */
export interface Running {
  readonly url: string;
  close(): Promise<void>;
}

export interface Address {
  /** 0 or absent: the system picks a free port. */
  readonly port?: number | undefined;
  /** The address to bind; loopback unless told. */
  readonly host?: string | undefined;
}

/** Listen, and answer with the origin (no path). `close` also ends connections that still stream. */
export async function listen(handler: RequestListener, address: Address): Promise<Running> {
  const host = address.host ?? "127.0.0.1";
  const server = createServer(handler);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port ?? 0, host, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("not listening on a TCP port");
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${bound.port}`,
    close: () =>
      new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}
