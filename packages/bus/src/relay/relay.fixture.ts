import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type CertificateAuthority,
  freePort,
  type IssuedCertificate,
  makeCertificateAuthority,
} from "@sallyport/testkit";
import { connector, startTestNats, type TestNats } from "../bus.fixture.ts";
import { type BusOptions, connectBus } from "../connect.ts";

/** A folder, an authority, and real relays with certificates of it. */
export interface RelayWorld {
  readonly folder: string;
  readonly authority: CertificateAuthority;
  write(name: string, text: string): Promise<string>;
  /** A nats-server with TLS and a WebSocket listener with the same certificate. */
  relay(options?: RelayOptions): Promise<TestRelay>;
  /** A hostile or broken server: what it does with each connection. */
  server(onConnection: (socket: Socket) => void): Promise<number>;
  close(): Promise<void>;
}

export interface RelayOptions {
  certificate?: IssuedCertificate;
  /** More of the `tls` block. */
  tls?: string;
  config?: string;
}

export interface TestRelay {
  readonly nats: TestNats;
  readonly tls: string;
  readonly wss: string;
}

export async function startRelayWorld(): Promise<RelayWorld> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-relay-"));
  const authority = await makeCertificateAuthority(join(folder, "authority"));
  const stops: (() => Promise<void>)[] = [];
  return {
    folder,
    authority,
    write: async (name, text) => {
      const file = join(folder, name);
      await writeFile(file, text, { mode: 0o600 });
      return file;
    },
    relay: async ({ certificate, tls = "", config = "" } = {}) => {
      const { certFile, keyFile } = certificate ?? (await authority.issue(["localhost"]));
      const files = `cert_file: "${certFile}", key_file: "${keyFile}"`;
      const port = await freePort();
      const nats = await startTestNats({
        jetstream: false,
        config: `tls { ${files} ${tls} }\nwebsocket { listen: "127.0.0.1:${port}", tls { ${files} } }\n${config}`,
      });
      stops.push(() => nats.stop());
      return { nats, tls: `tls://localhost:${nats.server.port}`, wss: `wss://localhost:${port}` };
    },
    server: async (onConnection) => {
      const sockets = new Set<Socket>();
      const server: Server = createServer((socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        socket.on("error", () => undefined);
        onConnection(socket);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      stops.push(async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      });
      return (server.address() as { port: number }).port;
    },
    close: async () => {
      for (const stop of stops.splice(0).reverse()) await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One try to get there, and all that was logged of it, fields and texts. */
export async function tryToReach(
  servers: readonly string[],
  road: Partial<BusOptions> = {},
): Promise<{ code: string; message: string; logged: string }> {
  const lines: string[] = [];
  const at = (fields: object, message: string) => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  const log = { info: at, warn: at, error: at };
  try {
    const bus = await connectBus({ servers, who: connector, log, patienceMs: 0, ...road });
    await bus.close();
    return { code: "reached", message: "", logged: lines.join("\n") };
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return { code, message, logged: lines.join("\n") };
  }
}
