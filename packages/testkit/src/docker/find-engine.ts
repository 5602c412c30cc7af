import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import { NotToBeHad } from "../terraform/not-to-be-had.ts";
import { programOnPath } from "../tools/find-tool.ts";

const run = promisify(execFile);
const folders = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const programs = ["dockerd", "docker", "containerd", "runc", "iptables", "unshare", "nsenter", "ip"] as const;

/** Where each program is that an engine needs. */
export type EnginePrograms = Readonly<Record<(typeof programs)[number], string>>;

/**
 * The programs of a Docker engine. Where they are missing they are installed, if this is root on a Debian without a
 * running systemd (a machine for tests: elsewhere the package would start an engine for good). Throws NotToBeHad.
 */
export async function findEngine(onProgress: (text: string) => void = () => {}): Promise<EnginePrograms> {
  if (process.platform !== "linux" || process.geteuid?.() !== 0)
    throw new NotToBeHad("a Docker engine of one's own needs root on Linux");
  let { found, missing } = await look();
  if (missing.length > 0 && mayInstall()) {
    onProgress("Installing docker.io and iptables by apt (once)");
    await install();
    ({ found, missing } = await look());
  }
  if (missing.length > 0) {
    const how = "Debian: apt install docker.io iptables iproute2 util-linux";
    throw new NotToBeHad(`a Docker engine needs ${missing.join(", ")}, not on this machine (${how})`);
  }
  return found as EnginePrograms;
}

async function look(): Promise<{ found: Record<string, string>; missing: string[] }> {
  const found: Record<string, string> = {};
  for (const name of programs) {
    const path = await programOnPath(name, folders);
    if (path !== undefined) found[name] = path;
  }
  return { found, missing: programs.filter((name) => found[name] === undefined) };
}

function mayInstall(): boolean {
  return existsSync("/usr/bin/apt-get") && !existsSync("/run/systemd/system");
}

async function install(): Promise<void> {
  const options = { timeout: 300_000, maxBuffer: 16 * 1_048_576 };
  const apt = ["DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"];
  const packages = ["docker.io", "iptables", "iproute2"];
  try {
    await run("env", [...apt, "update"], options);
    await run("env", [...apt, "install", "--yes", "--no-install-recommends", ...packages], options);
  } catch (error) {
    const said = (error as { stderr?: string }).stderr ?? String(error);
    throw new NotToBeHad(`apt could not install ${packages.join(", ")}: ${said.trim().slice(-500)}`);
  }
}
