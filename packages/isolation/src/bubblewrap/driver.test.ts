import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownPath } from "../cgroup/own-path.ts";
import type { Sandbox } from "../driver.ts";
import type { IsolationError } from "../isolation-error.ts";
import { bubblewrapDriver } from "./driver.ts";
import { inside, isRoot, MiB, openWorld, type World } from "./world.fixture.ts";

afterAll(leakCheck);

let world: World;
beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.close());

/** Starts one, uses it, and destroys it whatever came of it. */
async function withSandbox<T>(use: (sandbox: Sandbox) => Promise<T>, change = {}): Promise<T> {
  const sandbox = await world.start(change);
  try {
    return await use(sandbox);
  } finally {
    await sandbox.destroy();
  }
}

const processesWith = async (uid: number): Promise<number> => {
  const all = await readdir("/proc");
  const owners = await Promise.all(
    all
      .filter((name) => /^\d+$/.test(name))
      .map((pid) =>
        stat(`/proc/${pid}`).then(
          ({ uid: owner }) => owner,
          () => -1,
        ),
      ),
  );
  return owners.filter((owner) => owner === uid).length;
};

/** The uid that root's sandboxes have outside, told by who owns its workspace. */
const uidOf = async ({ id }: Sandbox): Promise<number> =>
  (await stat(join(world.options.state, "sandboxes", id, "upper"))).uid;

describe.skipIf(!isRoot)("the bubblewrap driver of a runner that is root (skipped: this is not root)", () => {
  it("proves every check on this host", async () => {
    const { class: judged, checks } = await world.driver.probe();
    expect(checks.filter(({ proven }) => !proven)).toEqual([]);
    expect(checks.length).toBeGreaterThan(20);
    expect(judged).toEqual({ user: "own-uid", limits: "cgroup-v1", workspace: "mounted" });
  });

  it("counts processes by user where it can make no cgroup, and refuses what it then cannot limit", async () => {
    const driver = await bubblewrapDriver({
      ...world.options,
      name: `${world.options.name}-p`,
      state: join(world.folder, "prlimit"),
      cgroupRoot: "/nowhere",
    });
    try {
      const { class: judged, checks } = await driver.probe();
      expect(judged.limits).toBe("prlimit");
      const unproven = checks.filter(({ proven }) => !proven).map(({ protects }) => protects);
      expect(unproven.sort()).toEqual(["limits.cpus", "limits.memoryBytes"]);
      for (const [field, limits] of Object.entries({
        "limits.memoryBytes": { memoryBytes: 64 * MiB },
        "limits.cpus": { cpus: 1 },
      }))
        await expect(driver.create({ ...world.spec, limits })).rejects.toMatchObject({
          code: "refused",
          field,
        });
      const sandbox = await driver.create({ ...world.spec, limits: { pids: 20 } });
      const forks = `my @all; my $saw; for (1..100) { my $pid = fork(); if (!defined $pid) { $saw = name(); last } if (!$pid) { sleep 60; exec "/bin/false" } push @all, $pid } "$saw " . @all`;
      expect(await inside(sandbox, forks)).toMatch(/^EAGAIN 1\d$/);
      await sandbox.destroy();
    } finally {
      await driver.close();
    }
  });

  it("gives each sandbox a uid of its own, which is never root's", async () => {
    await withSandbox((one) =>
      withSandbox(async (other) => {
        const uids = await Promise.all([uidOf(one), uidOf(other)]);
        expect(new Set(uids).size).toBe(2);
        const { first, count } = world.options.uids ?? { first: 0, count: 0 };
        for (const uid of uids) {
          expect(uid).toBeGreaterThanOrEqual(first);
          expect(uid).toBeLessThan(first + count);
          expect(await processesWith(uid)).toBeGreaterThan(1);
        }
      }),
    );
  });

  it("keeps changes of a workspace off its base folder, and from the next sandbox", async () => {
    const base = join(world.folder, "base");
    await mkdir(base);
    await writeFile(join(base, "shared"), "as it was");
    const workspace = { base, bytes: 8 * MiB, inodes: 100 };
    const seen = await withSandbox(
      (sandbox) =>
        inside(
          sandbox,
          `unlink "/workspace/shared"; open(my $f, ">", "/workspace/new"); join " ", names("/workspace")`,
        ),
      { workspace },
    );
    expect(seen).toBe("new");
    expect(await readdir(base)).toEqual(["shared"]);
    expect(await readFile(join(base, "shared"), "utf8")).toBe("as it was");
    expect(await withSandbox((next) => inside(next, `join " ", names("/workspace")`), { workspace })).toBe(
      "shared",
    );
  });

  it("refuses a base folder whose name would change the mount's options", async () => {
    for (const base of ["/tmp/a,upperdir=/etc", "/tmp/a:/etc", "relative"])
      await expect(world.start({ workspace: { base, bytes: MiB } })).rejects.toMatchObject({
        code: "refused",
        field: "workspace.base",
      });
  });

  it("gives the egress socket to its own sandbox alone", async () => {
    const path = join(world.folder, "egress");
    const server = createServer((socket) => socket.end("proxy"));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const connect = `use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack_sockaddr_un("/run/sallyport/egress.sock")) or return name(); sysread($s, my $t, 9); $t`;
    await withSandbox(
      async (sandbox) => {
        expect(await inside(sandbox, connect)).toBe("proxy");
        expect((await stat(path)).uid).toBe(await uidOf(sandbox));
      },
      { egress: { socket: path } },
    );
    expect(await withSandbox((other) => inside(other, connect))).toBe("ENOENT");
    await new Promise((resolve) => server.close(resolve));
  });

  it("survive kill: nothing that forked twice, ignores signals or is stopped lives on", async () => {
    for (let round = 0; round < 5; round++) {
      const sandbox = await world.start();
      const uid = await uidOf(sandbox);
      const started = await inside(
        sandbox,
        `$SIG{$_} = "IGNORE" for qw(TERM INT HUP); for my $n (1..6) { next if fork(); system("true"); exit 0 if $n % 2 && fork(); kill "STOP", $$ if $n % 3 == 0; sleep 1000 while 1 } "started"`,
      );
      expect(started).toBe("started");
      // How long that takes, `pnpm bench sandbox` tells: tests share their processors.
      await sandbox.destroy();
      expect(await processesWith(uid)).toBe(0);
    }
  });

  it("counts what a sandbox used, and that it ran out of memory", async () => {
    const sandbox = await world.start();
    expect(await inside(sandbox, `my $n = ${200 * MiB}; in_child(sub { my $text = "x" x $n })`)).toBe(
      "signal 9",
    );
    const usage = await sandbox.destroy();
    expect(usage.outOfMemoryKills).toBe(1);
    expect(usage.peakMemoryBytes).toBeGreaterThan(80 * MiB);
    expect(usage.peakMemoryBytes).toBeLessThanOrEqual(96 * MiB);
    expect(usage.cpuMilliseconds).toBeGreaterThan(0);
    expect(await sandbox.destroy()).toEqual(usage);
  });

  it("sets the quota of processor time, and counts how often it was reached", async () => {
    const sandbox = await world.start({ limits: { cpus: 0.1 } });
    const own = ownPath(await readFile("/proc/self/cgroup", "utf8"), "cpu") ?? "";
    const group = join("/sys/fs/cgroup/cpu", own, `sallyport-${world.options.name}`, sandbox.id);
    expect((await readFile(join(group, "cpu.cfs_quota_us"), "utf8")).trim()).toBe("10000");
    // Whether it is ever reached depends on what else the host does.
    expect((await sandbox.destroy()).throttledPeriods).toBeGreaterThanOrEqual(0);
  });

  it("leaves no folder, mount, cgroup or process behind", async () => {
    const sandbox = await world.start({ workspace: { bytes: MiB, inodes: 10 } });
    const uid = await uidOf(sandbox);
    await sandbox.destroy();
    await sandbox.ended;
    expect(await readdir(join(world.options.state, "sandboxes"))).not.toContain(sandbox.id);
    expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(sandbox.id);
    expect(await processesWith(uid)).toBe(0);
    const own = ownPath(await readFile("/proc/self/cgroup", "utf8"), "memory") ?? "";
    expect(
      existsSync(join("/sys/fs/cgroup/memory", own, `sallyport-${world.options.name}`, sandbox.id)),
    ).toBe(false);
  });

  it("leaves no cgroup where its driver is closed while it still tries what this host can hold", async () => {
    const other = await openWorld();
    const probing = other.driver.probe();
    await other.close();
    await probing;
    const own = ownPath(await readFile("/proc/self/cgroup", "utf8"), "memory") ?? "";
    expect(existsSync(join("/sys/fs/cgroup/memory", own, `sallyport-${other.options.name}`))).toBe(false);
  });

  it("leaves nothing of a sandbox that starts while its driver is closed, and starts no other", async () => {
    const other = await openWorld();
    await other.driver.probe();
    const starting = other.start().then(
      () => "started",
      () => "not started",
    );
    await other.close();
    await starting;
    const own = ownPath(await readFile("/proc/self/cgroup", "utf8"), "memory") ?? "";
    expect(existsSync(join("/sys/fs/cgroup/memory", own, `sallyport-${other.options.name}`))).toBe(false);
    expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(other.options.state);
    await expect(other.start()).rejects.toMatchObject({ code: "closed" });
    await expect(other.driver.probe()).rejects.toMatchObject({ code: "closed" });
    await expect(other.driver.reap()).rejects.toMatchObject({ code: "closed" });
  });

  it("ends, and says why, when the agent cannot be started", async () => {
    const before = await readdir(join(world.options.state, "sandboxes"));
    // bubblewrap may find out before it is let go, or after.
    const said = await world.start({ agent: { file: "/nowhere/agent" } }).then(
      async ({ ended, destroy }) => {
        const end = await ended;
        await destroy();
        return end.said;
      },
      ({ code, reason }: IsolationError) => `${code}: ${reason}`,
    );
    expect(said).toMatch(/^(?:start: )?bwrap: .*\/nowhere\/agent/);
    expect(await readdir(join(world.options.state, "sandboxes"))).toEqual(before);
  });

  it("is exhausted when every uid is in use, and has one again after a destroy", async () => {
    const small = await openWorld();
    const { first = 0 } = small.options.uids ?? {};
    await small.close();
    const driver = await bubblewrapDriver({
      ...small.options,
      bwrap: world.options.bwrap,
      state: join(world.folder, "small"),
      uids: { first, count: 1 },
    });
    try {
      const only = await driver.create(world.spec);
      await expect(driver.create(world.spec)).rejects.toMatchObject({ code: "exhausted" });
      await only.destroy();
      await (await driver.create(world.spec)).destroy();
    } finally {
      await driver.close();
    }
  });

  it("does not start without a range of uids", async () => {
    const { uids: _, ...without } = world.options;
    await expect(bubblewrapDriver(without)).rejects.toMatchObject({ code: "setup" });
    for (const uids of [
      { first: 0, count: 10 },
      { first: 1000, count: 1 },
      { first: 65_000, count: 1_000 },
      { first: 100_000, count: 0 },
    ])
      await expect(bubblewrapDriver({ ...world.options, uids })).rejects.toMatchObject({ code: "setup" });
  });
});

it("does not start with a bubblewrap that is another program, or none", async () => {
  for (const bwrap of ["/usr/bin/true", "/nowhere/bwrap"])
    await expect(bubblewrapDriver({ ...world.options, bwrap })).rejects.toMatchObject({ code: "setup" });
});

it("does not start with a delegated cgroup that cannot limit", async () => {
  await expect(bubblewrapDriver({ ...world.options, delegatedCgroup: world.folder })).rejects.toMatchObject({
    code: "setup",
  });
});
