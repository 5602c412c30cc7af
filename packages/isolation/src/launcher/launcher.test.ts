import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { passableFolder } from "../bubblewrap/world.fixture.ts";
import { type Launcher, type LauncherOptions, openLauncher } from "./launcher.ts";
import { launcherProgram } from "./program.ts";
import type { Step } from "./steps.ts";

afterAll(leakCheck);

const isRoot = process.geteuid?.() === 0;
let folder: string;
let launcher: Launcher;
const places = (): string[] => ["merged", "disk"].map((name) => join(folder, name));

beforeEach(async () => {
  folder = await passableFolder();
  for (const place of places()) await mkdir(place);
  launcher = await open();
});
afterEach(async () => {
  await launcher.close();
  if (isRoot) {
    const last = await openLauncher({ folder: join(folder, "last") });
    await last.run(unmount(...places()));
    await last.close();
  }
  expect(await mountedIn(folder)).toEqual([]);
  expect(await launchers()).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});

/** The folder's name in the program tells the processes of this test from others. */
const open = ({ program = launcherProgram, ...rest }: Partial<LauncherOptions> = {}): Promise<Launcher> =>
  openLauncher({ folder: join(folder, "launcher"), program: `# ${folder}\n${program}`, ...rest });
async function reopen(options: Partial<LauncherOptions>): Promise<Launcher> {
  await launcher.close();
  launcher = await open(options);
  return launcher;
}

const tmpfs = (place: string, ...more: string[]): Step => ({
  do: "mount",
  type: "tmpfs",
  options: ["size=1048576", "mode=0711", ...more],
  place,
});
const overlay = (place: string, ...options: string[]): Step => ({
  do: "mount",
  type: "overlay",
  options,
  place,
});
const unmount = (...all: string[]): Step[] => all.map((place) => ({ do: "unmount", place }));

/** Lines of mountinfo(5): mount options, then file system, source and options of its own. */
async function mountedIn(place: string): Promise<readonly string[]> {
  const all = await readFile("/proc/self/mountinfo", "utf8");
  return all.split("\n").filter((line) => line.includes(place));
}

async function launchers(): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const said = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
      return said.startsWith("/usr/bin/perl") && said.includes(folder) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

const dies = { code: "start", reason: expect.stringContaining("the process that starts sandboxes is gone") };

describe.skipIf(!isRoot)("what a launcher mounts (skipped: this is not root)", () => {
  it("has the options asked for, is neither for devices nor for set-uid, and is gone when unmounted", async () => {
    const [merged = "", disk = ""] = places();
    const layers = ["lower", "upper", "work"].map((name) => join(disk, name));
    await launcher.run([
      tmpfs(disk),
      ...layers.map((path): Step => ({ do: "mkdir", path, mode: 0o755 })),
      overlay(merged, ...layers.map((path) => `${path.split("/").at(-1)}dir=${path}`), "index=off"),
    ]);
    const [first = "", second = ""] = await mountedIn(folder);
    expect(first).toMatch(/ rw,nosuid,nodev,.* - tmpfs sallyport rw,size=1024k,mode=711/);
    expect(second).toMatch(/ rw,nosuid,nodev,.* - overlay sallyport rw,/);
    expect(await launchers()).toHaveLength(1);
    await launcher.run(unmount(merged, disk));
    expect(await mountedIn(folder)).toEqual([]);
  });

  it("need not be there to be unmounted, but must not be in use", async () => {
    const [, disk = ""] = places();
    const inner = join(disk, "inner");
    await launcher.run(unmount(...places(), join(folder, "nowhere")));
    await launcher.run([tmpfs(disk), { do: "mkdir", path: inner, mode: 0o755 }, tmpfs(inner)]);
    await expect(launcher.run(unmount(disk))).rejects.toMatchObject({
      errno: "EBUSY",
      reason: `unmount ${disk}: EBUSY`,
    });
    await launcher.run(unmount(inner, disk));
  });

  it("is refused with the kernel's word for why, nothing after it is done, and the next one is", async () => {
    const [merged = "", disk = ""] = places();
    const broken = overlay(merged, `lowerdir=${folder}/nowhere`, `upperdir=${disk}`, `workdir=${disk}`);
    await expect(launcher.run([broken, tmpfs(disk)])).rejects.toMatchObject({
      code: "start",
      reason: "mount overlay: ENOENT",
    });
    expect(await mountedIn(folder)).toEqual([]);
    await launcher.run([tmpfs(disk)]);
  });

  it("is refused where a path could be read as another field, or where the kernel would cut options off", async () => {
    const [merged = "", disk = ""] = places();
    await expect(
      launcher.run([overlay(merged, `lowerdir=${disk}\0,upperdir=${disk}`)]),
    ).rejects.toMatchObject({ code: "start", reason: "a NUL in a path, or a path too long" });
    await expect(launcher.run([tmpfs(disk, "/.".repeat(2_048))])).rejects.toMatchObject({
      code: "start",
      reason: "mount tmpfs: its options are longer than a page",
    });
    await expect(launcher.run(unmount("/a".repeat(17_000)))).rejects.toMatchObject({
      code: "start",
      reason: "a NUL in a path, or a path too long",
    });
    await launcher.run([tmpfs(disk)]);
  });

  it("is unmounted by another process when the one before was killed", async () => {
    const [, disk = ""] = places();
    await launcher.run([tmpfs(disk)]);
    const [first = 0] = await launchers();
    process.kill(first, "SIGKILL");
    // At once, and once that it has ended is known.
    await launcher.run(unmount(disk));
    const [second = 0] = await launchers();
    expect(second).not.toBe(first);
    process.kill(second, "SIGKILL");
    await until("it has ended", async () => (await launchers()).length === 0, { within: 5_000 });
    await launcher.run(unmount(disk));
    await launcher.run([tmpfs(disk)]);
    expect(await mountedIn(folder)).toHaveLength(1);
  });

  it("is there at most once when the process ended before its answer: nobody mounts it again", async () => {
    const [, disk = ""] = places();
    const dying = launcherProgram.replace("    say(did(@fields));", "    did(@fields); exit 1;");
    expect(dying).not.toBe(launcherProgram);
    await expect((await reopen({ program: dying })).run([tmpfs(disk)])).rejects.toMatchObject(dies);
    expect(await mountedIn(folder)).toHaveLength(1);
  });

  it("holds nothing of what started the runner, nor of its environment", async () => {
    await launcher.run(unmount(...places()));
    const [pid = 0] = await launchers();
    // Besides the three: a descriptor that tells of ended children.
    expect((await readdir(`/proc/${pid}/fd`)).sort()).toEqual(["0", "1", "2", "3"]);
    expect(await readFile(`/proc/${pid}/environ`, "utf8")).toBe("");
  });
});

it("reads and writes files that are there, and makes none", async () => {
  const file = join(folder, "file");
  const write: Step = { do: "write", path: file, text: "new" };
  await expect(launcher.run([write])).rejects.toMatchObject({ reason: `write ${file}: ENOENT` });
  await launcher.run([{ ...write, fine: ["ENOENT"] }]);
  await writeFile(file, "was\nlong\n");
  expect(await launcher.run([{ do: "read", path: file }, write, { do: "read", path: `${file}x` }])).toEqual([
    "was\nlong",
    undefined,
  ]);
  expect(await readFile(file, "utf8")).toBe("new\nlong\n");
});

it("refuses, and nothing is started for ever, when the process ends whenever it is asked", async () => {
  for (const program of ["exit 1", "sysread(STDIN, my $asked, 4); exit 1"])
    for (const options of [{ program }, { perl: "/nowhere/perl" }]) {
      await reopen(options);
      await expect(launcher.run(unmount(...places()))).rejects.toMatchObject(dies);
      await expect(launcher.run([tmpfs(places()[1] ?? "")])).rejects.toMatchObject(dies);
    }
});

it("refuses when no answer comes, or one that was not asked for, and that process is gone", async () => {
  const gone = async (): Promise<void> => {
    await until("it has ended", async () => (await launchers()).length === 0, { within: 5_000 });
  };
  const hung = (await reopen({ program: "sleep 60", milliseconds: 300 })).run(unmount(...places()));
  await expect(hung).rejects.toMatchObject({ code: "start", reason: "no answer in 300 ms" });
  await gone();
  // Its word is not believed after that either.
  await (await reopen({ program: `$| = 1; print "ok\\nok\\n"; sleep 60` })).run(unmount("/nowhere"));
  await gone();
  await reopen({ program: `$| = 1; print "o" x 70000; sleep 60` });
  await expect(launcher.run(unmount("/nowhere"))).rejects.toMatchObject(dies);
  await gone();
});

it("does nothing once the driver is closed, and its process has ended by then", async () => {
  await launcher.run([{ do: "rmdir", path: join(folder, "nowhere") }]);
  expect(await launchers()).toHaveLength(1);
  await launcher.close();
  expect(await launchers()).toEqual([]);
  await expect(launcher.run(unmount(...places()))).rejects.toMatchObject({ code: "start" });
  launcher = await open();
});

it("does not keep a runner that has nothing else to do", async () => {
  const code = `import { openLauncher } from ${JSON.stringify(new URL("./launcher.ts", import.meta.url).href)};
await (await openLauncher({ folder: ${JSON.stringify(join(folder, "idle"))} })).run([{ do: "rmdir", path: "/nowhere" }]); console.log("done")`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { timeout: 10_000 });
  expect((await run).stdout).toBe("done\n");
});

it("does not open where a socket's path would be too long", async () => {
  await expect(openLauncher({ folder: join(folder, "a".repeat(100)) })).rejects.toMatchObject({
    code: "setup",
  });
});
