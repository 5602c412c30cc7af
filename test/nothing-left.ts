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
    if (left.length > 0)
      throw new Error(
        `left behind by the tests, or made beside them:\n${left.map((one) => `  ${one}`).join("\n")}`,
      );
  };
}

async function ours(): Promise<readonly string[]> {
  const mounts = await readFile("/proc/self/mounts", "utf8").catch(() => "");
  return [
    ...(await cgroups("/sys/fs/cgroup")),
    ...mounts
      .split("\n")
      .filter((line) => line.includes("/sallyport-"))
      .map((line) => `mount ${line}`),
    ...(await entries("/run/netns"))
      .filter((name) => /^sp(\d+|-probe)-/.test(name))
      .map((name) => `network ${name}`),
    ...(await entries(tmpdir()))
      .filter((name) => name.startsWith("sallyport-"))
      .map((name) => join(tmpdir(), name)),
  ];
}

/** Runners' groups, wherever they are; not what is in them. */
async function cgroups(folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = found
    .filter((one) => one.isDirectory())
    .map(({ name }) => (name.startsWith("sallyport-") ? [join(folder, name)] : cgroups(join(folder, name))));
  return (await Promise.all(below)).flat();
}

async function entries(folder: string): Promise<readonly string[]> {
  return await readdir(folder).catch(() => []);
}
