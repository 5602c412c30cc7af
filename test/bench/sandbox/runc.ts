import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { SandboxClient } from "@sallyport/sandbox-agent";
import type { Contender } from "./contenders.ts";
import type { SandboxWorld } from "./world.ts";

/** Where the machine has it; nothing of ours needs it. */
const program = "runc";
const links = ["bin", "sbin", "lib", "lib64"];

/** The same namespaces, limits and agent by runc with its usual filter of calls: none. Throws where there is no runc. */
export async function runc(world: SandboxWorld): Promise<Contender> {
  await promisify(execFile)(program, ["--version"]);
  const bundle = join(world.folder, "bundle");
  const root = join(bundle, "rootfs");
  for (const name of ["usr", "proc", "dev", "tmp", "workspace"])
    await mkdir(join(root, name), { recursive: true });
  for (const name of links) await symlink(`usr/${name}`, join(root, name));
  await writeFile(join(root, "agent"), "");
  await writeFile(join(bundle, "config.json"), JSON.stringify(configOf(world)));
  let count = 0;
  const contender: Contender = {
    name: "runc, same namespaces, limits and agent",
    async start() {
      count += 1;
      const args = ["run", "--bundle", bundle, "--preserve-fds", "1", `${world.name}-${count}`];
      const child = spawn(program, args, { cwd: "/", stdio: ["ignore", "ignore", "inherit", "pipe"] });
      const client = new SandboxClient(child.stdio[3] as Duplex);
      await client.ping();
      return async () => {
        const exited = once(child, "exit");
        client.close();
        await exited;
      };
    },
  };
  await (await contender.start())();
  return contender;
}

/** As the OCI runtime specification 1.0.2 has it. */
function configOf({ agent, spec, uids }: SandboxWorld) {
  const { memoryBytes, pids, cpus = 1 } = spec.limits;
  const mapping = [{ containerID: 0, hostID: uids.first, size: 2_000 }];
  const tmpfs = (destination: string, bytes: number) => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: ["nosuid", "nodev", `size=${bytes}`, "uid=1000", "gid=1000"],
  });
  const bind = (destination: string, source: string) => ({
    destination,
    type: "bind",
    source,
    options: ["bind", "ro", "nosuid", "nodev"],
  });
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 1000, gid: 1000 },
      args: ["/agent"],
      env: ["PATH=/usr/bin"],
      cwd: "/workspace",
      capabilities: {},
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "sandbox",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=65536k"] },
      tmpfs("/tmp", spec.temporaryBytes),
      tmpfs("/workspace", spec.workspace.bytes),
      bind("/usr", "/usr"),
      bind("/agent", agent),
    ],
    linux: {
      uidMappings: mapping,
      gidMappings: mapping,
      namespaces: ["pid", "network", "ipc", "uts", "mount", "user"].map((type) => ({ type })),
      resources: {
        memory: { limit: memoryBytes },
        pids: { limit: pids },
        cpu: { quota: cpus * 100_000, period: 100_000 },
      },
    },
  };
}
