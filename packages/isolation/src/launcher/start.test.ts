import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, readFile, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { passableFolder } from "../bubblewrap/world.fixture.ts";
import { type Launched, type Launcher, openLauncher } from "./launcher.ts";
import type { Start } from "./steps.ts";

afterAll(leakCheck);

const isRoot = process.geteuid?.() === 0;
/** Nobody else's. */
const uid = isRoot ? 1_999_999_002 : undefined;
let folder: string;
let launcher: Launcher;
let last = 0;

beforeEach(async () => {
  folder = await passableFolder();
  launcher = await openLauncher({ folder: join(folder, "launcher") });
});
afterEach(async () => {
  await launcher.close();
  await rm(folder, { recursive: true, force: true });
});

/** A shell script in bubblewrap's place. What it says on stderr is why nothing began, unless it tells its pid on fd 6. */
async function launch(script: string, change: Partial<Start> = {}): Promise<Launched> {
  const bwrap = join(folder, "bwrap");
  await writeFile(bwrap, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  last += 1;
  const id = String(last).padStart(16, "0");
  const start = { id, uid, bwrap, seccomp: "/dev/null", args: [], groups: [], pids: undefined, ...change };
  return await launcher.launch([], start);
}
const saidBy = (script: string, change: Partial<Start> = {}): Promise<string> =>
  launch(`(${script}) >&2; exit 3`, change).then(
    () => "it began",
    ({ code, reason }) => `${code}: ${reason}`,
  );
/** Begins, and lives until it is ended. */
const living = `printf '{"child-pid": %d }' $$ >&6; exec sleep 300`;
const runs = (pid: number): boolean => existsSync(`/proc/${pid}/exe`);

describe("what becomes bubblewrap", () => {
  it("holds its socket, its arguments, its filter and what it tells by: nothing else", async () => {
    // One of the listing, one of the shell.
    const held = await saidBy(`cd /proc/$$/fd; echo *`);
    expect(held.replace(/ (?:10|255)\b/, "")).toBe("start: 0 1 2 3 4 5 6");
    expect(await saidBy("readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/5")).toBe(
      "start: /dev/null\n/dev/null\n/dev/null",
    );
  });

  it("has no environment, is in a session of its own, and has no signal blocked or ignored", async () => {
    expect(await saidBy("tr '\\0' '\\n' < /proc/$$/environ")).toBe(
      "start: it ended before the sandbox began",
    );
    expect(await saidBy("echo $$ $(cut -d' ' -f6 /proc/$$/stat)")).toMatch(/^start: (\d+) \1$/);
    expect(await saidBy("grep -E 'Sig(Blk|Ign)' /proc/$$/status | tr -d '\\n'")).toBe(
      "start: SigBlk:\t0000000000000000SigIgn:\t0000000000000000",
    );
  });

  it.skipIf(!isRoot)(
    "is its user, in the group of the same number and no other (skipped: this is not root)",
    async () => {
      const perl = join(folder, "perl");
      const withGroups = `#!/usr/bin/perl\n$) = "0 4 27"; exec "/usr/bin/perl", @ARGV;\n`;
      await writeFile(perl, withGroups, { mode: 0o755 });
      await launcher.close();
      launcher = await openLauncher({ folder: join(folder, "launcher"), perl });
      expect(await saidBy("grep ^Groups: /proc/$PPID/status", { uid: undefined })).toMatch(/4 27/);
      const status = await saidBy("grep -E '^(Uid|Gid|Groups):' /proc/$$/status | tr -s '\\t ' ' '");
      expect(status).toBe(
        `start: Uid: ${Array(4).fill(uid).join(" ")}\nGid: ${Array(4).fill(uid).join(" ")}\nGroups:`,
      );
    },
  );

  it("is in its groups by then, and is nothing where it cannot be", async () => {
    const groups = ["one", "two"].map((name) => join(folder, name));
    for (const group of groups) await writeFile(group, "", { mode: 0o666 });
    expect(await saidBy(`cat ${groups.join(" ")}`, { groups })).toBe("start: 00");
    const absent = join(folder, "absent");
    expect(await saidBy("echo it ran", { groups: [absent] })).toBe(
      `start: bubblewrap could not be run: ENOENT: group ${absent}`,
    );
  });

  it("reads its arguments, to their end", async () => {
    expect(await saidBy("tr '\\0' '|' <&4", { args: ["--one", "", "two words"] })).toBe(
      "start: --one||two words|",
    );
  });

  it("waits until its first process may have no more processes than asked for", async () => {
    const { ended } = await launch(
      `printf '{"child-pid": %d }' $$ >&6; read word <&7; grep processes /proc/$$/limits >&2; exit 0`,
      { pids: 33 },
    );
    expect((await ended).said).toMatch(/^Max processes +33 +33 /);
  });

  it("is ended where its first process cannot be limited", async () => {
    // Process 1 is another user's.
    const asked = launch(`printf '{"child-pid": 1 }' >&6; sleep 300`, { pids: 33, uid: uid ?? 1 });
    await expect(asked).rejects.toMatchObject({ code: "start" });
  });
});

it("tells at once why a program ended that never began, however early it ended", async () => {
  for (let round = 0; round < 20; round++) expect(await saidBy("echo no library")).toBe("start: no library");
});

it("does not wait for what outlives a program and could still say something", async () => {
  const place = join(folder, "pid");
  await writeFile(place, "", { mode: 0o666 });
  await chmod(place, 0o666);
  expect(await saidBy(`sleep 300 & echo $! > ${place}`)).toBe("start: it ended before the sandbox began");
  const outlived = Number(await readFile(place, "utf8"));
  expect(runs(outlived)).toBe(true);
  process.kill(outlived, "SIGKILL");
});

it("tells that a program could not be run at all", async () => {
  await expect(launch("", { bwrap: "/nowhere/bwrap" })).rejects.toMatchObject({
    code: "start",
    reason: "bubblewrap could not be run: ENOENT: /nowhere/bwrap",
  });
  await expect(launch("", { seccomp: "/nowhere/filter" })).rejects.toMatchObject({
    code: "start",
    reason: "bubblewrap: ENOENT",
  });
});

it("starts nothing where a step before it failed", async () => {
  const ran = join(folder, "ran");
  const bwrap = join(folder, "bwrap");
  await writeFile(bwrap, `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
  const start = { id: "a".repeat(16), uid: undefined, bwrap, seccomp: "/dev/null", args: [], groups: [] };
  const step = { do: "mkdir", path: folder, mode: 0o755 } as const;
  await expect(launcher.launch([step], { ...start, pids: undefined })).rejects.toMatchObject({
    reason: `mkdir ${folder}: EEXIST`,
  });
  expect(existsSync(ran)).toBe(false);
});

it("hands over the sandbox's own socket, with what was said on it before", async () => {
  const { socket, ended, first } = await launch(`echo first >&3; ${living}`);
  const all = text(socket);
  expect(runs(first)).toBe(true);
  process.kill(first, "SIGKILL");
  expect(await ended).toEqual({ code: undefined, said: "" });
  expect(await all).toBe("first\n");
});

it("keeps a runner that has nothing else to do, as long as it lives", async () => {
  const bwrap = join(folder, "bwrap");
  await writeFile(bwrap, `#!/bin/sh\nprintf '{"child-pid": %d }' $$ >&6; exec 3>&-; sleep 0.3; exit 4\n`, {
    mode: 0o755,
  });
  const start = { id: "a".repeat(16), bwrap, seccomp: "/dev/null", args: [], groups: [] };
  const code = `import { openLauncher } from ${JSON.stringify(new URL("./launcher.ts", import.meta.url).href)};
const launcher = await openLauncher({ folder: ${JSON.stringify(join(folder, "alone"))} });
const { ended } = await launcher.launch([], ${JSON.stringify(start)}); console.log((await ended).code)`;
  const run = promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { timeout: 10_000 });
  expect((await run).stdout).toBe("4\n");
});

it("ends a sandbox, and then again nothing", async () => {
  const { kill, ended, first, socket } = await launch(living);
  kill();
  expect(await ended).toEqual({ code: undefined, said: "" });
  expect(runs(first)).toBe(false);
  kill();
  socket.destroy();
});

it("loses its sandboxes with its process, tells so, and starts the next ones by another", async () => {
  const { ended, first, socket } = await launch(living);
  const parent = / (\d+) /.exec(
    (await readFile(`/proc/${first}/stat`, "utf8")).replace(/^.*\)/, "").slice(2),
  )?.[1];
  process.kill(Number(parent), "SIGKILL");
  expect(await ended).toEqual({ code: undefined, said: "what started it is gone" });
  await until("the kernel has ended it", () => !runs(first), { within: 5_000 });
  socket.destroy();
  const next = await launch(living);
  next.kill();
  await next.ended;
  next.socket.destroy();
});

it("turns away who knows no name that is waited for, and lets no other user come", async () => {
  const handover = join(folder, "launcher/handover");
  const stranger = connect(handover);
  stranger.write(String(last).padStart(16, "0"));
  expect(await text(stranger)).toBe("");
  expect((await stat(join(folder, "launcher"))).mode & 0o777).toBe(0o700);
});
