import { randomBytes } from "node:crypto";
import { chmod, copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates } from "node:tls";
import {
  bubblewrapDriver,
  passableFolder,
  reachableBubblewrap,
  type SandboxSpec,
} from "@sallyport/isolation";
import { buildAgent, SandboxClient, SandboxFiles } from "@sallyport/sandbox-agent";
import { findTool } from "@sallyport/testkit";
import { quickLimits, type Ran } from "./egress.fixture.ts";
import { environmentFor } from "./environment.ts";
import { javaTrustStore } from "./java-trust-store.ts";
import { type EgressOptions, openEgress } from "./open-egress.ts";
import type { EgressDeps, EgressRecord } from "./session.ts";

const cacheFolder = join(import.meta.dirname, "../../../.cache/sandbox-agent");
const MiB = 1_048_576;
const caFile = "/etc/ssl/certs/ca-certificates.crt";
const trustStore = "/tmp/home/trust.p12";

export interface RealSandbox extends AsyncDisposable {
  readonly records: EgressRecord[];
  readonly files: SandboxFiles;
  /** A program inside, with what a sandbox's environment is, in /workspace. */
  run(argv: readonly string[], env?: Record<string, string>): Promise<Ran>;
}

/** A bubblewrap sandbox with nothing but the proxy to talk to, as a runner makes it. */
export async function openRealSandbox(
  options: Pick<EgressOptions, "policy" | "placeholders" | "tokenEndpoints">,
  deps: Pick<EgressDeps, "addresses" | "lease" | "upstreamCa">,
): Promise<RealSandbox> {
  const folder = await passableFolder("sallyport-clients-");
  const records: EgressRecord[] = [];
  const own = join(folder, "egress");
  await mkdir(own, { mode: 0o711 });
  const socketPath = join(own, "egress.sock");
  const proxy = await openEgress(
    { sandbox: "sbx-1", socketPath, identity: { agent: "bob" }, ...options },
    {
      record: (fields) => Promise.resolve(void records.push(fields)),
      resolver: (name) => Promise.reject(new Error(`no look-ups in tests: ${name}`)),
      limits: { ...quickLimits, totalMs: 60_000 },
      ...deps,
    },
  );
  const trusted = [...getCACertificates("bundled"), deps.upstreamCa ?? "", proxy.certificate ?? ""].join(
    "\n",
  );
  const certificates = join(folder, "ca.pem");
  await writeFile(certificates, trusted, { mode: 0o644 });
  const driver = await bubblewrapDriver(await driverOptions(folder));
  const sandbox = await driver.create({
    ...(await specFor(folder)),
    egress: { socket: socketPath },
    certificates,
  });
  const client = new SandboxClient(sandbox.socket);
  const files = new SandboxFiles(client, { cwd: "/workspace" });
  await files.bridge(3128, "/run/sallyport/egress.sock");
  await files.write(trustStore, javaTrustStore(trusted));
  const env = {
    ...{ PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/tmp/home", LANG: "C.UTF-8" },
    ...environmentFor("http://127.0.0.1:3128", caFile, trustStore),
  };
  return {
    records,
    files,
    async run(argv, more = {}) {
      const signal = AbortSignal.timeout(25_000);
      const exec = await client.exec({ argv, cwd: "/workspace", env: { ...env, ...more } }, signal);
      const said = { stdout: "", stderr: "" };
      for await (const { stream, data } of exec.output()) said[stream] += data.toString();
      const exit = await exec.exit;
      return { code: "code" in exit ? exit.code : 128 + exit.signal, out: said.stdout, err: said.stderr };
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await driver.close();
      await proxy.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const isRoot = process.geteuid?.() === 0;

async function specFor(folder: string): Promise<SandboxSpec> {
  const file = join(folder, "agent");
  await copyFile(await buildAgent({ cacheFolder }), file);
  await chmod(file, 0o755);
  return {
    agent: { file },
    workspace: { bytes: 64 * MiB },
    temporaryBytes: 64 * MiB,
    limits: isRoot ? { memoryBytes: 1024 * MiB, pids: 128, cpus: 2 } : {},
  };
}

async function driverOptions(folder: string) {
  const draw = randomBytes(4);
  const uids = { first: 5_500_000 + draw.readUInt16BE(0) * 16, count: 16 };
  return {
    bwrap: await reachableBubblewrap(await findTool("bwrap"), folder),
    name: `clients-${draw.toString("hex")}`,
    state: join(folder, "state"),
    ...(isRoot ? { uids } : {}),
  };
}
