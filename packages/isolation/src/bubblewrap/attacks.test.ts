import { createServer } from "node:net";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sandbox } from "../driver.ts";
import { isolationAttacks } from "../probe/attacks.ts";
import { numberOf } from "../probe/inside.ts";
import { rules } from "../seccomp/table.ts";
import { inside, isRoot, MiB, openWorld, type World } from "./world.fixture.ts";

afterAll(leakCheck);

interface Row {
  readonly attack: string;
  readonly perl: string;
  readonly seen: string | RegExp;
}

const call = (name: string, ...args: readonly (number | string)[]): string =>
  `call(${[numberOf(name), ...args].join(", ")})`;
const x64 = process.arch === "x64";

/** Numbers as in the list of attacks on sandboxes that the threat model names; what is theirs alone, besides the probe's own. */
const rows: readonly Row[] = [
  {
    attack: "1 write core_pattern",
    perl: `to_write("/proc/sys/kernel/core_pattern")`,
    seen: /^E(?:ACCES|ROFS)$/,
  },
  {
    attack: "2 find a canary of the runner in any environment or command line",
    perl: `my $all = join "", map { slurp("/proc/$_/environ"), slurp("/proc/$_/cmdline") } grep { /^\\d+$/ } names("/proc"); $all =~ /CANARY|sallyport-isolation/ ? "found" : "nothing"`,
    seen: "nothing",
  },
  {
    attack: "3 read kcore, kmsg, or an address of the kernel",
    perl: `join " ", (map { open(my $f, "<", "/proc/$_") ? "opened" : name() } qw(kcore kmsg)), slurp("/proc/kallsyms") =~ /^0*[1-9a-f]/m ? "address" : "zeros"`,
    seen: /^(?:EACCES|EPERM|ENOENT) (?:EACCES|EPERM|ENOENT) zeros$/,
  },
  { attack: "6 remount the root writable", perl: call("mount", 0, '"/"', 0, 0x20, 0), seen: "EPERM" },
  { attack: "7 unshare a user namespace", perl: call("unshare", 0x10000000), seen: "EPERM" },
  { attack: "7 clone3 with a namespace", perl: call("clone3", 0, 0), seen: "ENOSYS" },
  {
    attack: "8 gain by a setuid program",
    perl: `my @set = grep { -u } map { glob("/usr/$_/*") } qw(bin sbin); join " ", map { "$_" } grep { /^(?!1000 )/ } map { \`id -u\` =~ /(\\d+)/; "$1 " } (1, @set)`,
    seen: "",
  },
  {
    attack: "9 make a device",
    perl: x64 ? `call(133, "/tmp/disk", 0060600, 0xfe00)` : `call(33, -100, "/tmp/disk", 0060600, 0xfe00)`,
    seen: "EPERM",
  },
  {
    attack: "9 open a device of the host",
    perl: `join " ", grep { -e "/dev/$_" } qw(kvm fuse net/tun vda sda mem kmsg)`,
    seen: "",
  },
  ...(x64
    ? [
        {
          attack: "11 call by an x32 number",
          perl: "in_child(sub { syscall(0x40000027) })",
          seen: "signal 31",
        },
      ]
    : []),
  ...(["AF_VSOCK", "AF_NETLINK", "AF_PACKET", "AF_ALG"] as const).map((family, index) => ({
    attack: `13 open a socket of ${family}`,
    perl: call("socket", [40, 16, 17, 38][index] ?? 0, 3, 0),
    seen: "EAFNOSUPPORT",
  })),
  { attack: "13 open a raw socket", perl: call("socket", 2, 3, 1), seen: "EPERM" },
  {
    attack: "13 open a pair of netlink sockets",
    perl: `my $pair = "x" x 8; ${call("socketpair", 16, 3, 0, "$pair")}`,
    seen: "EAFNOSUPPORT",
  },
  { attack: "14 add a key", perl: call("add_key", '"user"', '"canary"', '"x"', 1, -3), seen: "EPERM" },
  {
    attack: "14 search the session's keys",
    perl: call("keyctl", 10, -3, '"user"', '"canary"', 0),
    seen: "EPERM",
  },
  {
    attack: "15 TIOCSTI, with the upper half set",
    perl: `my $byte = "x"; ${call("ioctl", 0, 0x1_0000_5412, "$byte")}`,
    seen: "EPERM",
  },
  {
    attack: "16 signal a process of the host",
    perl: `join " ", map { kill(0, $_) ? "reached" : name() } ${process.pid}, ${process.ppid}`,
    seen: "ESRCH ESRCH",
  },
  {
    attack: "19 use an inherited descriptor",
    perl: `join " ", grep { readlink("/proc/self/fd/$_") } names("/proc/self/fd")`,
    seen: "0 1 2 3",
  },
  {
    attack: "20 find the runner's environment",
    perl: `join " ", sort keys %ENV`,
    seen: "HOME LANG PATH PWD",
  },
  {
    attack: "30 reach an address",
    perl: `use Socket; socket(my $s, AF_INET, SOCK_DGRAM, 0) or return name(); connect($s, pack_sockaddr_in(53, inet_aton("198.51.100.1"))) ? "route" : name()`,
    seen: "ENETUNREACH",
  },
  {
    attack: "36 set the clock or the host's name",
    perl: `join " ", ${call("clock_settime", 0, 0)}, ${call("sethostname", '"x"', 1)}`,
    seen: "EPERM EPERM",
  },
  { attack: "36 write a cgroup", perl: `join " ", grep { -e } qw(/sys/fs/cgroup /sys)`, seen: "" },
];

describe("from inside a sandbox, it fails to", () => {
  let world: World;
  let sandbox: Sandbox;
  beforeAll(async () => {
    world = await openWorld();
    sandbox = await world.start();
  });
  afterAll(() => world.close());

  it.each(rows)("$attack", async ({ perl, seen }) => {
    const saw = await inside(sandbox, perl);
    if (typeof seen === "string") expect(saw).toBe(seen);
    else expect(saw).toMatch(seen);
  });

  it.each(isolationAttacks)("$check", async ({ code, expected }) => {
    expect(expected).toContain(await inside(sandbox, code));
  });

  const calls = rules.filter(({ when, number }) => "always" in when && (x64 || number.arm64 !== undefined));
  it.each(calls)("call $call", async ({ call: name, errno }) => {
    expect(await inside(sandbox, `call(${numberOf(name)}, 0, 0, 0, 0, 0, 0)`)).toBe(
      errno === 1 ? "EPERM" : "ENOSYS",
    );
  });

  it("17 reach an abstract UNIX socket of the host", async () => {
    const name = `sallyport-${process.pid}`;
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(`\0${name}`, resolve));
    const perl = `use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); connect($s, pack("S a*", AF_UNIX, "\\0${name}")) ? "reached" : name()`;
    expect(await inside(sandbox, perl)).toBe("ECONNREFUSED");
    await new Promise((resolve) => server.close(resolve));
  });

  it("18 find what another sandbox put into /dev/shm, /tmp or shared memory", async () => {
    const other = await world.start();
    const make = `for (qw(/dev/shm /tmp)) { open(my $f, ">", "$_/canary") or return name() } defined shmget(4711, 4096, 0666 | 01000) ? "made" : name()`;
    expect(await inside(other, make)).toBe("made");
    const look = `join " ", (grep { -e "$_/canary" } qw(/dev/shm /tmp)), defined shmget(4711, 4096, 0) ? "shared" : name()`;
    expect(await inside(sandbox, look)).toBe("ENOENT");
    await other.destroy();
  });
});

describe.skipIf(!isRoot)("a sandbox with limits (skipped: this runner is not root)", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
  });
  afterAll(() => world.close());

  it("24 forks no further than its limit, and its neighbour forks on", async () => {
    const [bomb, neighbour] = [await world.start(), await world.start()];
    const forks = `my @all; my $saw; for (1..100) { my $pid = fork(); if (!defined $pid) { $saw = name(); last } if (!$pid) { sleep 60; exec "/bin/false" } push @all, $pid } "$saw " . @all`;
    expect(await inside(bomb, forks)).toMatch(/^EAGAIN (?:2\d|30)$/);
    expect(await inside(neighbour, `in_child(sub { })`)).toBe("exit 0");
    await Promise.all([bomb.destroy(), neighbour.destroy()]);
  });

  it.each([
    ["its own memory", `my $n = ${200 * MiB}; my $text = "x" x $n`],
    [
      "files in memory",
      `my $name = "bomb"; my $fd = syscall(${x64 ? 319 : 279}, $name, 0); open(my $f, ">&=", $fd); my $n = ${MiB}; my $text = "x" x $n; syswrite($f, $text) for 1..200`,
    ],
  ])("25 uses no more memory than its limit in %s, and its neighbour lives", async (_, perl) => {
    const [bomb, neighbour] = [await world.start(), await world.start()];
    // The kernel ends the largest process. Files are no process's own, so there it may be the agent.
    const saw = await inside(bomb, `in_child(sub { ${perl} })`).catch((error: Error) => error.message);
    expect(["signal 9", "the sandbox ended"]).toContain(saw);
    expect(await inside(neighbour, `"alive"`)).toBe("alive");
    expect((await bomb.destroy()).outOfMemoryKills).toBeGreaterThan(0);
    expect((await neighbour.destroy()).outOfMemoryKills).toBe(0);
  });
});
