import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { passableFolder } from "../bubblewrap/world.fixture.ts";
import { type Mounts, type MountsOptions, openMounts } from "./mounts.ts";
import { mounterProgram } from "./program.ts";

afterAll(leakCheck);

const isRoot = process.geteuid?.() === 0;
let folder: string;
let mounts: Mounts;
const places = (): string[] => ["merged", "disk"].map((name) => join(folder, name));
const tmpfs = { type: "tmpfs", options: ["size=1048576", "mode=0711"] } as const;

beforeEach(async () => {
  folder = await passableFolder();
  for (const place of places()) await mkdir(place);
  open();
});
afterEach(async () => {
  await mounts.close();
  if (isRoot) {
    const last = openMounts();
    await last.unmount(places());
    await last.close();
  }
  expect(await mountedIn(folder)).toEqual([]);
  expect(await mounters()).toEqual([]);
  await rm(folder, { recursive: true, force: true });
});

/** The folder's name in the program tells the processes of this test from others. */
const open = (options: MountsOptions = {}): Mounts => {
  mounts = openMounts({ ...options, program: `# ${folder}\n${options.program ?? mounterProgram}` });
  return mounts;
};

/** Lines of mountinfo(5): mount options, then file system, source and options of its own. */
async function mountedIn(place: string): Promise<readonly string[]> {
  const all = await readFile("/proc/self/mountinfo", "utf8");
  return all.split("\n").filter((line) => line.includes(place));
}

async function mounters(): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const said = await readFile(`/proc/${pid}/cmdline`, "latin1").catch(() => "");
      return said.startsWith("/usr/bin/perl") && said.includes(folder) ? [Number(pid)] : [];
    }),
  );
  return found.flat();
}

const dies = { code: "start", reason: expect.stringContaining("the process that mounts is gone") };

describe.skipIf(!isRoot)("what a driver mounts (skipped: this is not root)", () => {
  it("has the options asked for, is neither for devices nor for set-uid, and is gone when unmounted", async () => {
    const [merged = "", disk = ""] = places();
    await open().mount({ ...tmpfs, place: disk });
    for (const name of ["lower", "upper", "work"]) await mkdir(join(disk, name));
    const options = ["lower", "upper", "work"].map((name) => `${name}dir=${join(disk, name)}`);
    await mounts.mount({ type: "overlay", options: [...options, "index=off"], place: merged });
    const [first = "", second = ""] = await mountedIn(folder);
    expect(first).toMatch(/ rw,nosuid,nodev,.* - tmpfs sallyport rw,size=1024k,mode=711/);
    expect(second).toMatch(/ rw,nosuid,nodev,.* - overlay sallyport rw,/);
    expect(await mounters()).toHaveLength(1);
    await mounts.unmount([merged, disk]);
    expect(await mountedIn(folder)).toEqual([]);
  });

  it("need not be there to be unmounted, but must not be in use", async () => {
    const [, disk = ""] = places();
    await open().unmount([...places(), join(folder, "nowhere")]);
    await mounts.mount({ ...tmpfs, place: disk });
    await mkdir(join(disk, "inner"));
    await mounts.mount({ ...tmpfs, place: join(disk, "inner") });
    await expect(mounts.unmount([disk])).rejects.toMatchObject({ code: "start", reason: /EBUSY$/ });
    await mounts.unmount([join(disk, "inner"), disk]);
  });

  it("is refused with the kernel's word for why, and the next one is not", async () => {
    const [merged = "", disk = ""] = places();
    const options = [`lowerdir=${folder}/nowhere`, `upperdir=${disk}`, `workdir=${disk}`];
    await expect(open().mount({ type: "overlay", options, place: merged })).rejects.toMatchObject({
      code: "start",
      reason: "mount overlay: ENOENT",
    });
    await mounts.mount({ ...tmpfs, place: disk });
  });

  it("is refused where a path could be read as another field, or where the kernel would cut options off", async () => {
    const [merged = "", disk = ""] = places();
    const lower = `lowerdir=${disk}\0,upperdir=${disk}`;
    await expect(open().mount({ type: "overlay", options: [lower], place: merged })).rejects.toMatchObject({
      code: "start",
      reason: "a NUL in a path, or a path too long",
    });
    const long = "/.".repeat(2_048);
    await expect(mounts.mount({ ...tmpfs, options: [long], place: disk })).rejects.toMatchObject({
      code: "start",
      reason: "mount tmpfs: its options are longer than a page",
    });
    await expect(mounts.unmount(["/a".repeat(9_000)])).rejects.toMatchObject({
      code: "start",
      reason: "a NUL in a path, or a path too long",
    });
    await mounts.mount({ ...tmpfs, place: disk });
  });

  it("is done by another process when the one before was killed", async () => {
    const [, disk = ""] = places();
    await open().mount({ ...tmpfs, place: disk });
    const [first = 0] = await mounters();
    process.kill(first, "SIGKILL");
    // At once, and once that it has ended is known.
    await mounts.unmount([disk]);
    const [second = 0] = await mounters();
    expect(second).not.toBe(first);
    process.kill(second, "SIGKILL");
    await until("it has ended", async () => (await mounters()).length === 0, { within: 5_000 });
    await mounts.mount({ ...tmpfs, place: disk });
    expect(await mountedIn(folder)).toHaveLength(1);
  });

  it("is there once, also when the process ended between its call and its answer", async () => {
    const [, disk = ""] = places();
    const once = mounterProgram.replace(
      "  my $answer",
      `  mkdir "${folder}/ended" and exit 1;\n  my $answer`,
    );
    expect(once).not.toBe(mounterProgram);
    await open({ program: once }).mount({ ...tmpfs, place: disk });
    expect(await readdir(folder)).toContain("ended");
    expect(await mountedIn(folder)).toHaveLength(1);
  });

  it("holds nothing of what started the runner, nor of its environment", async () => {
    await open().unmount([]);
    await mounts.unmount(places());
    const [pid = 0] = await mounters();
    expect((await readdir(`/proc/${pid}/fd`)).sort()).toEqual(["0", "1", "2"]);
    expect(await readFile(`/proc/${pid}/environ`, "utf8")).toBe("");
  });
});

it("is refused, and nothing is started for ever, when the process ends whenever it is asked", async () => {
  for (const program of ["exit 1", "sysread(STDIN, my $asked, 4); exit 1"])
    for (const options of [{ program }, { perl: "/nowhere/perl" }]) {
      const [, disk = ""] = places();
      await expect(open(options).mount({ ...tmpfs, place: disk })).rejects.toMatchObject(dies);
      await expect(mounts.unmount([disk])).rejects.toMatchObject(dies);
      await mounts.close();
    }
});

it("is refused when no answer comes, or one that was not asked for, and that process is gone", async () => {
  const [, disk = ""] = places();
  const hung = open({ program: "sleep 60", milliseconds: 300 }).mount({ ...tmpfs, place: disk });
  await expect(hung).rejects.toMatchObject({ code: "start", reason: "no answer in 300 ms" });
  await until("it has ended", async () => (await mounters()).length === 0, { within: 5_000 });
  // Its word is not believed after that either.
  const gone = { within: 5_000 };
  await open({ program: `$| = 1; print "ok\\nok\\n"; sleep 60` }).unmount([disk]);
  await until("it has ended", async () => (await mounters()).length === 0, gone);
  await expect(open({ program: `$| = 1; print "ok" x 50; sleep 60` }).unmount([disk])).rejects.toMatchObject(
    dies,
  );
  await until("it has ended", async () => (await mounters()).length === 0, gone);
});

it("is refused once the driver is closed, and its process has ended by then", async () => {
  const [, disk = ""] = places();
  await open()
    .unmount([join(folder, "nowhere")])
    .catch(() => {}); // who is not root may not
  expect(await mounters()).toHaveLength(1);
  await mounts.close();
  expect(await mounters()).toEqual([]);
  await expect(mounts.mount({ ...tmpfs, place: disk })).rejects.toMatchObject({ code: "start" });
});

it("does not keep a runner that has nothing else to do", async () => {
  const code = `import { openMounts } from ${JSON.stringify(new URL("./mounts.ts", import.meta.url).href)};
await openMounts().unmount(["/nowhere"]).catch(() => {}); console.log("done")`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { timeout: 10_000 });
  expect((await run).stdout).toBe("done\n");
});
