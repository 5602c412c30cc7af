import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Around every run of tests: what of ours lives longer than a process and was not there before must be gone after.
 * `leakCheck` sees what a file's own process launched; this also sees what those launched, such as a runner's cgroups.
 */
export async function setup(): Promise<() => Promise<void>> {
  const before = new Set(await ours());
  return async () => {
    const left = (await ours()).filter((one) => !before.has(one));
    if (left.length === 0) return;
    const list = left.map((one) => `  ${one}`).join("\n");
    const others = await othersAtWork();
    if (others.length === 0) throw new Error(`left behind by the tests:\n${list}`);
    console.warn(`NOT CHECKED: whether these are left behind, or of ${others.join(" and ")}:\n${list}`);
  };
}

async function ours(): Promise<readonly string[]> {
  const mounts = await textOf("/proc/self/mounts");
  const mounted = mounts.split("\n").filter((line) => line.includes("/sallyport-"));
  const networks = (await entries("/run/netns")).filter((name) => /^sp(\d+|-probe)-/.test(name));
  // Not the first where it is closed to the users of sandboxes.
  const files = await Promise.all([...new Set([tmpdir(), "/tmp", "/var/tmp"])].map(temporaryFiles));
  return [
    ...(await cgroups("/sys/fs/cgroup")),
    ...mounted.map((line) => `mount ${line}`),
    ...networks.map((name) => `network ${name}`),
    ...files.flat(),
  ];
}

async function temporaryFiles(folder: string): Promise<readonly string[]> {
  const ours = (await entries(folder)).filter((name) => name.startsWith("sallyport-"));
  return ours.map((name) => join(folder, name));
}

/** Runners' groups, wherever they are; not what is in them. */
async function cgroups(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = found
    .filter((one) => one.isDirectory())
    .map(({ name }) => (name.startsWith("sallyport-") ? [join(folder, name)] : cgroups(join(folder, name))));
  return (await Promise.all(below)).flat();
}

/** Other runs of tests on this machine, and local stacks: what they use is there while they live. */
async function othersAtWork(): Promise<readonly string[]> {
  const pids = (await entries("/proc")).filter((name) => /^\d+$/.test(name) && name !== String(process.pid));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const words = (await textOf(`/proc/${pid}/cmdline`)).split("\0");
      const program = words.find((word) => /(vitest\.mjs|infra\/local\/main\.ts)$/.test(word));
      return program === undefined ? [] : [`${program} (${pid})`];
    }),
  );
  return found.flat();
}

async function textOf(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => "");
}

async function entries(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
