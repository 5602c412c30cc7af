import { execFile } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { findTool, makeCertificateAuthority } from "@sallyport/testkit";
import { afterEach, beforeEach, expect, it } from "vitest";

const run = promisify(execFile);
const script = join(import.meta.dirname, "../relay/cluster.sh");
const nodes = "relay-1=10.20.8.10 relay-2=10.20.8.74 relay-3=10.20.8.138";
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-relay-"));
  const authority = await makeCertificateAuthority(join(folder, "authority"));
  const names = ["relay-1.relay.internal", "relay-2.relay.internal", "relay-3.relay.internal"];
  const { certFile, keyFile } = await authority.issue(names);
  await cp(certFile, join(folder, "cluster.crt"));
  await cp(keyFile, join(folder, "cluster.key"));
  await cp(authority.caFile, join(folder, "cluster-ca.pem"));
  await writeFile(join(folder, "nats-server.conf"), 'listen: "0.0.0.0:4222"\n');
  await writeFile(join(folder, "hosts"), "127.0.0.1 localhost\n");
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function configure(instance: string): Promise<string> {
  const env = {
    PATH: "/usr/bin:/bin",
    ZONE_DIR: folder,
    INSTANCE: instance,
    NODES: nodes,
    HOSTS: join(folder, "hosts"),
  };
  await run("/bin/sh", ["-eu", script], { env });
  return await readFile(join(folder, "relay.conf"), "utf8");
}

it("each relay gets routes to the others alone, in a configuration that nats-server takes", async () => {
  const config = await configure("relay-2");
  expect(config.match(/nats-route:[^"]+/g)).toEqual([
    "nats-route://relay-1.relay.internal:6222",
    "nats-route://relay-3.relay.internal:6222",
  ]);
  const said = await run(await findTool("nats-server"), ["-t", "-c", join(folder, "relay.conf")]);
  expect(said.stdout + said.stderr).toMatch(/is valid/);
});

it("a second boot names each of the others once", async () => {
  await configure("relay-2");
  await configure("relay-2");
  expect((await readFile(join(folder, "hosts"), "utf8")).trim().split("\n")).toEqual([
    "127.0.0.1 localhost",
    "10.20.8.10 relay-1.relay.internal",
    "10.20.8.74 relay-2.relay.internal",
    "10.20.8.138 relay-3.relay.internal",
  ]);
});
