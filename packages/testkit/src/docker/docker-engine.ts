import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { inPlace, type Place } from "../process/place.ts";
import { type Server, startServer } from "../process/server.ts";
import { unmountBelow } from "../process/unmount-below.ts";
import { type EnginePrograms, findEngine } from "./find-engine.ts";

const run = promisify(execFile);

export interface DockerEngine extends Pick<Server, "stop"> {
  /** Run the client; what it printed, without the last line's end. Throws with what it said. */
  docker(...args: readonly string[]): Promise<string>;
  /** The last of what a container said. */
  logs(container: string): Promise<string>;
  /** Run a program in the network of the engine's host. */
  onHost(command: string, ...args: readonly string[]): Promise<string>;
  /** Make an image of a folder, and answer its id, `sha256:…`. */
  importImage(folder: string): Promise<string>;
  /** What another program's client needs in its environment. */
  readonly env: { readonly DOCKER_HOST: string; readonly DOCKER_BUILDKIT: "0" };
  readonly folder: string;
}

const prefix = "sallyport-docker-";
const mostSaid = 16 * 1_048_576;

/**
 * A real Docker engine with networks, processes and mounts of its own: this machine's firewall stays as it is, and
 * when the engine ends, however it ends, every container, network and mount of it has ended. Root only. It reaches
 * no registry: its only way out is what a test gives it. Throws NotToBeHad.
 */
export async function startDockerEngine(onProgress?: (text: string) => void): Promise<DockerEngine> {
  const programs = await findEngine(onProgress);
  return await inPlace("docker", undefined, (place) => start(programs, place));
}

async function start(programs: EnginePrograms, { folder, temporary }: Place): Promise<DockerEngine> {
  const socket = `unix://${join(folder, "docker.sock")}`;
  const group = basename(folder);
  const at = (name: string) => join(folder, name);
  const daemon = [
    ...[programs.dockerd, "--host", socket, "--data-root", at("data"), "--exec-root", at("exec")],
    ...["--pidfile", at("docker.pid"), "--cgroup-parent", `/${group}`, "--log-level", "warn"],
  ];
  const apart = ["--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"];
  const script = `"${programs.ip}" link set lo up && exec "$@"`;
  const env = { DOCKER_HOST: socket, DOCKER_BUILDKIT: "0" } as const;
  const client = (args: readonly string[]) => {
    const options = { timeout: 120_000, maxBuffer: mostSaid, env: { PATH: "/usr/bin:/bin", ...env } };
    return run(programs.docker, ["--host", socket, ...args], options).catch(said);
  };
  const docker: DockerEngine["docker"] = async (...args) => (await client(args)).stdout.trimEnd();
  const server = await startServer({
    name: "dockerd",
    command: programs.unshare,
    args: [...apart, "--", "/bin/sh", "-c", script, "sh", ...daemon],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    folder,
    temporary,
    readyWithin: 60_000,
    ready: async () => {
      await docker("version", "--format", "{{.Server.Version}}");
      return true;
    },
  });
  const inside = () => readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, "utf8").trim();
  return {
    docker,
    env,
    folder,
    logs: async (container) => {
      const { stdout, stderr } = await client(["logs", "--tail", "40", container]);
      return `${stdout}${stderr}`;
    },
    onHost: async (command, ...args) => {
      const entered = [`--target=${inside()}`, "--net", "--", command, ...args];
      return (await run(programs.nsenter, entered, { timeout: 120_000, maxBuffer: mostSaid }).catch(said))
        .stdout;
    },
    importImage: (image) => {
      const pipe = 'tar -C "$1" -c . | "$2" --host "$3" import -';
      const args = ["-c", pipe, "sh", image, programs.docker, socket];
      return run("/bin/sh", args, { timeout: 300_000 }).then(({ stdout }) => stdout.trim(), said);
    },
    stop: async () => {
      const left = await docker("ps", "--all", "--quiet").catch(() => "");
      if (left !== "") await docker("rm", "--force", "--volumes", ...left.split("\n")).catch(() => "");
      await server.kill("SIGTERM").catch(() => {});
      unmountBelow(folder);
      await server.stop();
      removeGroups();
    },
  };
}

/** What the client or the program said is why it failed. */
function said(error: { stderr?: string }): never {
  throw new Error(
    `${(error as { cmd?: string }).cmd ?? ""}: ${error.stderr || String(error)}`.slice(0, 4_000),
  );
}

/** The engine leaves its parent cgroup; one that was killed also those of its containers, and no folder. */
function removeGroups(): void {
  const root = "/sys/fs/cgroup";
  for (const hierarchy of ["", ...readdirSync(root)].map((name) => join(root, name))) {
    for (const group of foldersIn(hierarchy))
      if (group.startsWith(prefix) && !existsSync(join(tmpdir(), group))) removeTree(join(hierarchy, group));
  }
}

function removeTree(group: string): void {
  for (const child of foldersIn(group)) removeTree(join(group, child));
  try {
    rmdirSync(group);
  } catch {
    // in use, or gone
  }
}

function foldersIn(path: string): string[] {
  try {
    const entries = readdirSync(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch {
    return []; // a file, or gone
  }
}
