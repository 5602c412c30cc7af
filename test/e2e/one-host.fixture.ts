import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, copyFile, cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type DockerEngine, findTool, startDockerEngine, until } from "@sallyport/testkit";
import { type Composed, readCompose } from "./compose.fixture.ts";
import { type Issuer, nobody, writeFiles, zones } from "./one-host-files.fixture.ts";

const run = promisify(execFile);
export const root = join(import.meta.dirname, "../..");
const bin = join(root, "node_modules/.bin");

/** An organisation's host: the engine, the images, every zone of the compose file, and what zones dial. */
export interface Host {
  readonly engine: DockerEngine;
  readonly composed: Composed;
  readonly files: string;
  /** Of a container that runs this script of Node on a network of the compose file; what it printed. */
  inContainer(network: string, script: string, ...options: readonly string[]): Promise<string>;
  /** One call of an agent's tool at a server, through the edge. */
  call(server: string, tool: string, args: object): Promise<string>;
  stop(): Promise<void>;
}

export async function startHost(onProgress: (text: string) => void): Promise<Host> {
  const engine = await startDockerEngine(onProgress);
  try {
    return await start(engine, onProgress);
  } catch (error) {
    await engine.stop();
    throw error;
  }
}

async function start(engine: DockerEngine, onProgress: (text: string) => void): Promise<Host> {
  const { docker } = engine;
  onProgress("Building what ships, and its images");
  await build();
  const base = await baseImage(engine);
  const bases = ["--base", base, "--runner-base", await runnerBase(engine)];
  const { stdout } = await run(join(root, "infra/images/build.sh"), [...bases, "--tag", "test"], {
    env: { PATH: process.env.PATH, ...engine.env },
  });
  onProgress(stdout.trim().split("\n").join(", "));
  const relayImage = await serverImage(engine, "nats-server");

  const files = join(engine.folder, "files");
  const compose = await readFile(join(root, "infra/compose/compose.yaml"), "utf8");
  const variables = { SALLYPORT_RELAY_IMAGE: relayImage, SALLYPORT_FILES: files, SALLYPORT_TAG: "test" };
  const composed = readCompose(compose, variables);
  for (const options of composed.networks.values()) await docker("network", "create", ...options);

  const inContainer: Host["inContainer"] = async (network, script, ...options) => {
    const at = [
      "--network",
      network.includes(":") ? network : `sallyport_${network}`,
      "--workdir",
      join(root, "test"),
    ];
    const node = ["node", "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", script];
    return await docker("run", "--rm", "--volume", `${root}:${root}:ro`, ...at, ...options, base, ...node);
  };
  const world: World = { engine, base, files, composed, inContainer };
  const issuer = await writeFiles(engine, files);
  await startNeighbours(world, issuer);
  await startService(world, "relay");
  const relayIsReady = async () => (await engine.logs("relay")).includes("Server is ready");
  await until("the relay answering", relayIsReady, { within: 60_000 }).catch(async (error: Error) => {
    throw new Error(`${error.message}\n${await engine.logs("relay")}`);
  });
  await provision(world);
  // The stand-in for a runner's base is this machine's own programs.
  for (const zone of zones)
    await startService(world, zone, zone === "runner" ? ["--volume", "/usr:/usr:ro"] : []);
  for (const zone of zones)
    await until(`${zone} being healthy`, async () => (await health(engine, zone)) === "healthy", {
      within: 180_000,
      every: 500,
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await engine.logs(zone)}`);
    });
  return {
    ...{ engine, composed, files, inContainer },
    call: async (server, tool, args) => {
      const token = await issuer.token(server);
      const options = [
        "--env",
        "NODE_EXTRA_CA_CERTS=/edge.crt",
        "--volume",
        `${files}/edge/edge.crt:/edge.crt:ro`,
      ];
      return await inContainer("agents", agent(token, server, { name: tool, arguments: args }), ...options);
    },
    stop: engine.stop,
  };
}

async function health(engine: DockerEngine, zone: string): Promise<string> {
  return await engine.docker("inspect", "--format", "{{.State.Health.Status}}", zone);
}

interface World extends Pick<Host, "engine" | "files" | "composed" | "inContainer"> {
  readonly base: string;
}

/** As `pnpm build` does: each package's own script. */
async function build(): Promise<void> {
  for (const app of [...zones, "runner", "cli"]) {
    const cwd = join(root, "apps", app);
    const { scripts } = JSON.parse(await readFile(join(cwd, "package.json"), "utf8")) as {
      scripts: { build: string };
    };
    await run("/bin/sh", ["-c", scripts.build], { cwd, env: { PATH: `${bin}:${process.env.PATH}` } });
  }
}

/** Stands for the base that one would take by digest: Node, what it links to, and nothing else. */
async function baseImage(engine: DockerEngine): Promise<string> {
  const folder = join(engine.folder, "base");
  const { stdout } = await run("ldd", [process.execPath]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
  for (const [from, to] of [[process.execPath, "/usr/bin/node"], ...libraries.map((path) => [path, path])]) {
    await mkdir(dirname(join(folder, to ?? "")), { recursive: true });
    await cp(from ?? "", join(folder, to ?? ""), { dereference: true });
  }
  await temporary(folder);
  return await engine.importImage(folder);
}

/** Node and bubblewrap, and links to the programs of a /usr that is mounted when it runs. */
async function runnerBase(engine: DockerEngine): Promise<string> {
  const folder = join(engine.folder, "runner-base");
  for (const path of ["nodejs/bin", "opt", "usr", "proc", "sys", "dev", "etc"])
    await mkdir(join(folder, path), { recursive: true });
  await temporary(folder);
  for (const name of ["bin", "sbin", "lib", "lib64"]) await symlink(`usr/${name}`, join(folder, name));
  await copyFile(process.execPath, join(folder, "nodejs/bin/node"));
  await cp(join(dirname(await findTool("bwrap", { path: "" })), "../.."), join(folder, "opt/bwrap"), {
    recursive: true,
  });
  return await engine.importImage(folder);
}

async function temporary(folder: string): Promise<void> {
  await mkdir(join(folder, "tmp"));
  await chmod(join(folder, "tmp"), 0o1777); // whatever the umask
}

async function serverImage(engine: DockerEngine, tool: "nats-server" | "bao"): Promise<string> {
  const folder = join(engine.folder, tool);
  await mkdir(folder);
  await copyFile(await findTool(tool), join(folder, tool));
  await temporary(folder);
  const [id, name] = [await engine.importImage(folder), `test/${tool}`];
  const entry = ["--change", `ENTRYPOINT ["/${tool}"]`];
  const container = await engine.docker("create", id, `/${tool}`);
  await engine.docker("commit", ...entry, "--change", "CMD []", container, name);
  await engine.docker("rm", container);
  return name;
}

/** What is not Sallyport's: the issuer's keys, a private server, a Vault. Each on the network of who dials it. */
async function startNeighbours({ engine, base, files }: World, issuer: Issuer): Promise<void> {
  const { docker } = engine;
  const here = ["--detach", "--volume", `${root}:${root}:ro`, "--volume", `${files}:${files}:ro`];
  const on = (name: string, network: string) => ["--name", name, "--network", `sallyport_${network}`];
  await docker(
    ...["run", ...here, ...on("orders", "private"), base, "node", "--disable-warning=ExperimentalWarning"],
    ...[join(root, "examples/servers/orders/main.ts"), "--host", "0.0.0.0", "--port", "8080"],
    ...["--allow-host", "orders", "--token-file", join(files, "orders/token")],
  );
  const serve = `const { readFileSync } = require("node:fs");
    const [key, cert] = ["key", "crt"].map((end) => readFileSync("${files}/issuer/issuer." + end));
    require("node:https").createServer({ key, cert }, (_, answer) =>
      answer.setHeader("content-type", "application/json").end(${JSON.stringify(issuer.keys)})).listen(8443);`;
  await docker("run", ...here, ...on("issuer", "private"), base, "node", "-e", serve);
  for (const network of ["agents", "outside"])
    await docker("network", "connect", `sallyport_${network}`, "issuer");
  const config = join(files, "vault/vault.hcl");
  const listener = `tls_cert_file = "${files}/vault/vault.crt"\n  tls_key_file = "${files}/vault/vault.key"`;
  await writeFile(config, `listener "tcp" {\n  address = "0.0.0.0:8200"\n  ${listener}\n}\n`);
  const dev = [
    "server",
    "-dev",
    "-dev-no-store-token",
    "-dev-listen-address=127.0.0.1:8199",
    `-config=${config}`,
  ];
  const token = ["--env", `BAO_DEV_ROOT_TOKEN_ID=${randomBytes(16).toString("hex")}`];
  await docker("run", ...here, ...token, ...on("vault", "vault"), await serverImage(engine, "bao"), ...dev);
}

/** The relay's streams, and Vault's part, as their owners make them. */
async function provision({ engine, files, inContainer }: World): Promise<void> {
  const mounted = ["--volume", `${files}:/files:ro`];
  const streams = `import { readFileSync } from "node:fs";
    import { provisionStreams } from "@sallyport/infra-nats";
    await provisionStreams({ servers: ["tls://relay:4222"], caFile: "/files/relay/relay-ca.pem", pools: ["sandbox"],
      creds: readFileSync("/files/installation/creds/acme/provisioner.creds"),
      maxBytes: { log: 64 * 2 ** 20, bucket: 16 * 2 ** 20 } });`;
  await inContainer("connector-relay", streams, ...mounted);
  const environment = await engine.docker("inspect", "--format", "{{json .Config.Env}}", "vault");
  const [, token = ""] = /BAO_DEV_ROOT_TOKEN_ID=(\w+)/.exec(environment) ?? [];
  const vault = `import { readFileSync } from "node:fs";
    import { provisionVault } from "@sallyport/infra-vault";
    const secrets = { "sallyport/orders": { token: readFileSync("/files/orders/token", "utf8") } };
    const made = await provisionVault({ address: "https://vault:8200", token: process.env.TOKEN, secrets });
    console.log(JSON.stringify({ roleId: made.roleId, wrapped: await made.wrappedSecretId() }));`;
  const options = ["--env", `TOKEN=${token}`, "--env", "NODE_EXTRA_CA_CERTS=/files/vault/vault.crt"];
  const made = JSON.parse(await inContainer("vault", vault, ...mounted, ...options)) as Record<
    string,
    string
  >;
  for (const [name, secret] of [
    ["role-id", made.roleId],
    ["secret-id.wrapped", made.wrapped],
  ]) {
    const path = join(files, "broker", name ?? "");
    await writeFile(path, secret ?? "", { mode: 0o600 });
    await chown(path, nobody, nobody);
  }
}

/** As Compose starts a service. Each of its networks knows it by its name. */
async function startService(
  { engine: { docker }, composed }: World,
  name: string,
  more: readonly string[] = [],
): Promise<void> {
  const service = composed.services.get(name);
  if (service === undefined) throw new Error(`compose.yaml has no ${name}`);
  const { image, options, command } = service;
  const [first, ...others] = service.networks;
  const joined = ([network, { address }]: [string, { address: string | undefined }]) => [
    ...["--network-alias", name, ...(address === undefined ? [] : ["--ip", address])],
    ...["--network", `sallyport_${network}`],
  ];
  const at = first ? joined(first) : [];
  await docker("create", "--name", name, ...at, ...options, ...more, image, ...command);
  for (const [network, { address }] of others) {
    const as = ["--alias", name, ...(address === undefined ? [] : ["--ip", address])];
    await docker("network", "connect", ...as, `sallyport_${network}`, name);
  }
  await docker("start", name);
}

function agent(token: string, server: string, call: object): string {
  return `import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
    const requestInit = { headers: { authorization: "Bearer ${token}" } };
    const client = new Client({ name: "agent", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL("https://edge:8443/mcp/${server}"), { requestInit }));
    const { content } = await client.callTool(${JSON.stringify(call)});
    console.log(content.map(({ text }) => text).join("\\n"));
    await client.close();`;
}
