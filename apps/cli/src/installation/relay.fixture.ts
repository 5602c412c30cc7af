import { cp, mkdtemp, rm } from "node:fs/promises";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { findTool, freePort, type Server, startServer, until } from "@sallyport/testkit";
import { runHere } from "../stack.fixture.ts";

export interface InstalledRelay {
  /** What a test may write into. */
  folder: string;
  /** The operator's folder. */
  installation: string;
  /** What the relay's machine has: a copy of the installation's `relay/` as it was at first. */
  machine: string;
  relay: Server;
  ports: { nats: number; websocket: number };
  url: string;
  caFile: string;
  stop(): Promise<void>;
}

/** An installation of one tenant, acme, and its relay, which listens on two roads with TLS. */
export async function startInstalledRelay(publicUrl: string): Promise<InstalledRelay> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-relay-"));
  const [installation, machine] = [join(folder, "installation"), join(folder, "machine")];
  const ports = { nats: await freePort(), websocket: await freePort() };
  const url = `tls://localhost:${ports.nats}`;
  const made = await runHere([
    ...["init", "--out", installation, "--tenant", "acme", "--make-ca", "--relay-folder", machine],
    ...["--relay", url, "--relay", `wss://localhost:${ports.websocket}`, "--public-url", publicUrl],
    ...["--issuer", "https://login.example.com", "--jwks-url", "https://login.example.com/jwks"],
    ...["--data", join(folder, "data"), "--max-bytes", String(64 * 2 ** 20)],
  ]);
  if (made.code !== 0) throw new Error(made.err);
  await cp(join(installation, "relay"), machine, { recursive: true });
  const relay = await startServer({
    ...{ name: "nats-server", folder: machine, temporary: false },
    ...{ command: await findTool("nats-server"), args: ["-c", join(machine, "nats-server.conf")] },
    ready: async () => ((await answers(ports.nats)) && (await answers(ports.websocket))) || undefined,
  });
  return {
    ...{ folder, installation, machine, relay, ports, url },
    caFile: join(installation, "relay/relay-ca.pem"),
    stop: async () => {
      await relay.stop();
      await rm(folder, { recursive: true });
    },
  };
}

/** The serial number of the certificate that the relay shows to who trusts this authority. */
export async function shownBy(port: number, of: { ca: string; websocket: boolean }): Promise<string> {
  const socket = connectTcp(port, "127.0.0.1");
  try {
    // NATS says who it is in clear, and then begins TLS; a WebSocket begins with TLS.
    if (!of.websocket) await new Promise((resolve) => socket.once("data", resolve));
    return await new Promise((resolve, reject) => {
      const tls: TLSSocket = connect({ socket, servername: "localhost", ca: of.ca }, () =>
        resolve(tls.getPeerCertificate().serialNumber),
      );
      tls.on("error", reject);
    });
  } finally {
    socket.destroy();
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

/** Resolves when the relay shows another certificate than this one. */
export async function showsAnother(
  port: number,
  of: { ca: string; websocket: boolean; than: string },
): Promise<void> {
  await until("another certificate", async () => (await shownBy(port, of)) !== of.than, { within: 10_000 });
}
