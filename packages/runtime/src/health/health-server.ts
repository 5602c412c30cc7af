import { lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { BootError } from "../lifecycle/boot-error.ts";
import type { Health } from "./health.ts";

/** sun_path holds 108 bytes with its NUL (unix(7)); a longer path is cut short by some systems without a word. */
const maxSocketPath = 107;

export interface HealthServer {
  /** The port, when it listens on one. */
  port: number | undefined;
  close(): Promise<void>;
}

/**
 * Answers `GET /healthz` and `GET /readyz`: 200 or 503 and JSON that names each check. On a unix socket of mode 0600,
 * so that only the process's own user can ask, or on a loopback port where the configuration names one.
 */
export async function serveHealth(
  health: Health,
  at: { socket?: string | undefined; port?: number | undefined },
  who: { zone: string; instance: string },
): Promise<HealthServer> {
  const servers: Server[] = [];
  const start = () => {
    const server = createServer(
      { requestTimeout: 2000, headersTimeout: 2000, maxHeaderSize: 4096 },
      (ask, answer) => {
        void respond(health, who, { ask, answer });
      },
    );
    server.maxConnections = 16;
    servers.push(server);
    return server;
  };
  if (at.socket !== undefined) await listenOnSocket(start(), at.socket);
  let port: number | undefined;
  if (at.port !== undefined) {
    const server = start();
    await listening(server, () => server.listen(at.port, "127.0.0.1"), "health.port");
    const address = server.address();
    port = typeof address === "object" ? address?.port : undefined;
  }
  const close = async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise<void>((closed) => server.close(() => closed()));
    }
  };
  return { port, close };
}

async function respond(
  health: Health,
  who: { zone: string; instance: string },
  { ask, answer }: { ask: IncomingMessage; answer: ServerResponse },
): Promise<void> {
  const question = ask.url === "/healthz" ? "healthy" : ask.url === "/readyz" ? "ready" : undefined;
  if (question === undefined || ask.method !== "GET") {
    answer.writeHead(404, { "content-type": "application/json" }).end('{"ok":false}\n');
    return;
  }
  const report = await health.report(question);
  answer.writeHead(report.ok ? 200 : 503, {
    "content-type": "application/json",
    "cache-control": "no-store",
  });
  answer.end(`${JSON.stringify({ ok: report.ok, ...who, checks: report.checks })}\n`);
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxSocketPath) {
    throw new BootError(
      `the health socket's path has ${Buffer.byteLength(path)} bytes; ${maxSocketPath} fit`,
      {
        setting: "health.socket",
        fix: "choose a shorter path, for example under /run",
      },
    );
  }
  await removeStaleSocket(path);
  await listening(
    server,
    () => {
      // The socket is made inside listen(): a chmod afterwards would leave a moment in which anyone may connect.
      const before = process.umask(0o177);
      try {
        server.listen(path);
      } finally {
        process.umask(before);
      }
    },
    "health.socket",
  );
}

async function listening(server: Server, listen: () => void, setting: string): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).once("listening", resolve);
      listen();
    });
  } catch (cause) {
    throw new BootError(`the health endpoint cannot listen: ${(cause as Error).message}`, {
      setting,
      fix: "choose a place this user can write to and nobody else listens on",
      cause,
    });
  }
}

/** A crash leaves the socket file behind. One that still answers belongs to a living process and is left alone. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new BootError(`${path} exists and is not a socket`, {
      setting: "health.socket",
      fix: "move that file away or choose another path",
    });
  }
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path)
      .once("connect", () => resolve(true))
      .once("error", () => resolve(false))
      .once("close", () => probe.destroy());
    probe.setTimeout(1000, () => resolve(true)).once("connect", () => probe.destroy());
  });
  if (alive) {
    throw new BootError(`another process answers on ${path}`, {
      setting: "health.socket",
      fix: "stop that process or choose another path",
    });
  }
  unlinkSync(path);
}
