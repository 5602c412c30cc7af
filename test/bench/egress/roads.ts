import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { placeholderValue } from "@sallyport/sandbox-egress";
import { type Server, startServer } from "@sallyport/testkit";

/** A way to the upstream, all of them over CONNECT and TLS. */
export interface Road {
  readonly name: string;
  readonly socketPath: string;
  readonly host: string;
  readonly port: number;
  /** Whom the client trusts. */
  readonly ca: string;
  /** Below it the upstream answers with so many bytes. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly pid: number;
}

/**
 * A plain Node proxy, and ours: passing TLS on, and ending it to place a credential; and the least that does the last of
 * these without any of our promises.
 */
export async function openRoads({ profile }: { readonly profile: string | undefined }) {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-bench-"));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  await promisify(execFile)("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=bench", "-addext", "subjectAltName=DNS:api.test,DNS:pass.test"],
    ...["-keyout", key, "-out", certificate],
  ]);
  const token = randomBytes(24).toString("hex");
  const placeholder = placeholderValue();
  const servers: Server[] = [];
  const start = async (name: string, file: string, args: readonly string[]) => {
    let port = 0;
    const server = await startServer({
      name,
      command: process.execPath,
      args: [
        ...(profile === undefined ? [] : profiled(profile, name)),
        ...[join(import.meta.dirname, file), ...args],
      ],
      folder,
      temporary: false,
      ready: async () => {
        const said = /\{"port":(\d+)\}/.exec(await readFile(join(folder, `${name}.log`), "utf8"));
        port = Number(said?.[1]);
        return said === null ? undefined : true;
      },
    });
    servers.push(server);
    return { pid: server.pid, port };
  };
  const { port } = await start("upstream", "upstream-main.ts", [key, certificate, token]);
  const proxy = async (kind: string) => {
    const socketPath = join(folder, `${kind}.sock`);
    const args = [kind, socketPath, String(port), key, certificate, token, placeholder];
    return { socketPath, pid: (await start(kind, "proxy-main.ts", args)).pid };
  };
  const plain = await proxy("plain");
  const ours = await proxy("ours");
  const bare = await proxy("bare");
  const passed = { host: "pass.test", port, ca: await readFile(certificate, "utf8"), path: "", headers: {} };
  const headers = { authorization: `Bearer ${placeholder}` };
  const ended = { host: "api.test", port, path: "/secret", headers };
  const roads: readonly Road[] = [
    { name: "plain Node proxy", ...plain, ...passed },
    { name: "passed on", ...ours, ...passed },
    { name: "ended and injected", ...ours, ...ended, ca: await readFile(`${ours.socketPath}.pem`, "utf8") },
    { name: "bare Node ending", ...bare, ...ended, ca: passed.ca },
  ];
  return {
    roads,
    async close() {
      for (const server of servers.reverse()) await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A profile is written by a process that ends by itself. */
function profiled(folder: string, name: string): readonly string[] {
  const orderly = "data:text/javascript,process.once('SIGTERM',()=>process.exit())";
  return [
    "--import",
    orderly,
    "--cpu-prof",
    `--cpu-prof-dir=${folder}`,
    `--cpu-prof-name=${name}.cpuprofile`,
  ];
}
