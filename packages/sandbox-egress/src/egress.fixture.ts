import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compilePolicies, type HttpPolicies } from "@sallyport/policy";
import { type EgressOptions, type EgressProxy, openEgress } from "./open-egress.ts";
import type { EgressDeps, EgressRecord } from "./session.ts";

export interface Listening extends AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  readonly count: () => number;
}

/** Any server of node:net's kind on a port of 127.0.0.1 that the system picks. */
export async function listening(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on("connection", (socket: Socket) => {
    count++;
    sockets.add(socket);
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    count: () => count,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

export const policyOf = (text: string): HttpPolicies => compilePolicies([{ name: "p.cedar", text }]).http;

/** A permit of everything on these ports, whatever the scheme. */
export const permitPorts = (...ports: number[]) =>
  policyOf(
    `@id("ports") permit(principal, action == Action::"http/request", resource) when { [${ports.join()}].contains(context.port) };`,
  );

export const quickLimits = {
  connections: 32,
  headerBytes: 16_384,
  headTimeoutMs: 5_000,
  connectTimeoutMs: 5_000,
  idleMs: 10_000,
  totalMs: 20_000,
};

export interface Door extends AsyncDisposable {
  readonly proxy: EgressProxy;
  readonly socketPath: string;
  /** For clients that know TCP alone: spliced to the socket, as the bridge inside a sandbox does. */
  readonly url: string;
  readonly port: number;
  readonly records: EgressRecord[];
}

export async function openDoor(
  options: Partial<EgressOptions> & Pick<EgressOptions, "policy">,
  deps: Partial<EgressDeps> = {},
): Promise<Door> {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-egress-"));
  const socketPath = join(directory, "egress.sock");
  const records: EgressRecord[] = [];
  const proxy = await openEgress(
    { sandbox: "sbx-1", socketPath, identity: { agent: "bob" }, ...options },
    {
      record: (fields) => Promise.resolve(void records.push(fields)),
      lease: (name) => Promise.reject(new Error(`no lease in this test: ${name}`)),
      resolver: (name) => Promise.reject(new Error(`no look-ups in tests: ${name}`)),
      addresses: new Map(),
      limits: quickLimits,
      ...deps,
    },
  );
  const bridge = await listening(
    createServer({ allowHalfOpen: true }, (socket) => {
      const inner = connect({ path: socketPath, allowHalfOpen: true });
      inner.on("error", () => socket.destroy()).on("close", () => socket.destroy());
      socket.on("close", () => inner.destroy());
      socket.pipe(inner).pipe(socket);
    }),
  );
  return {
    proxy,
    socketPath,
    records,
    port: bridge.port,
    url: `http://127.0.0.1:${bridge.port}`,
    async [Symbol.asyncDispose]() {
      await bridge[Symbol.asyncDispose]();
      await proxy.close();
      await rm(directory, { recursive: true });
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A real client, with nothing of our environment but the PATH. */
export function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH, HOME: "/nonexistent", ...env }, timeout: 20_000 };
    execFile(command, [...args], options, (error, out, err) => {
      const code = error === null ? 0 : Number((error as { code?: unknown }).code ?? 1);
      resolve({ code, out, err });
    });
  });
}

export const curl = (door: Door, ...args: string[]): Promise<Ran> =>
  run("curl", ["-q", "-sS", "--max-time", "15", "-x", door.url, ...args]);

/** Bytes straight to the door; all that comes back until it closes, or until `enough`. */
export async function speak(door: Door, text: string | Uint8Array, enough = /$^/): Promise<string> {
  const socket = connect(door.socketPath);
  socket.on("error", () => {});
  let got = "";
  socket.write(text);
  try {
    for await (const chunk of socket) {
      got += (chunk as Buffer).toString("latin1");
      if (enough.test(got)) break;
    }
  } catch {
    // cut: what came before is the answer
  }
  socket.destroy();
  return got;
}
