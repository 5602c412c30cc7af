import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Attack, judge, tried } from "../attack.ts";
import type { World } from "../world.ts";

const refused = /^E(?:ACCES|ROFS|NOENT|PERM|NOTDIR)$/;

/** What a sandbox can see and change of the machine below it. */
export const hostView: readonly Attack[] = [
  {
    number: 1,
    name: "kernel settings",
    tries: "open core_pattern, sysrq-trigger, everything below /proc/sys and /proc/irq, and /sys for writing",
    source: "core_pattern is in no namespace: its writer runs code on the host",
    expected: "none opens",
    async run(world) {
      const inside = await world.shared();
      const opened = await inside.perl(
        `my @open; my $n = 0; for my $at (qw(/proc/sys /proc/irq /sys)) { walk($at, sub { $n++; push @open, $_[0] if to_write($_[0]) eq "allowed" }) } print $n > 100 ? "" : "only $n settings seen ", "@open[0..($#open > 3 ? 3 : $#open)]"`,
      );
      const named = await inside.perl(
        `print join " ", map { to_write($_) } qw(/proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/drop_caches /sys/kernel/uevent_helper /sys/power/state)`,
      );
      return judge([
        tried("any setting", opened === "" ? "none" : opened, "none"),
        ...named.split(" ").map((saw, index) => tried(`named setting ${index + 1}`, saw, refused)),
      ]);
    },
  },
  {
    number: 2,
    name: "the runner in /proc",
    tries:
      "find the runner's secret or its paths in environ, cmdline, maps, fd, root, cwd and exe of every process",
    source: "bubblewrap issue 725: the first process keeps what it was started with",
    expected: "no canary",
    async run(world) {
      const inside = await world.shared();
      const found = await inside.perl(
        `my @marks = map { scalar reverse } @ARGV; my ($looked, @found); my $see = sub { my ($where, $text) = @_; $looked++; for (@marks) { push @found, "$_ in $where" if index($text, $_) >= 0 } };
for my $pid (pids()) { my $at = "/proc/$pid"; $see->("$at/$_", slurp("$at/$_")) for qw(environ cmdline maps); $see->("$at/$_", readlink("$at/$_") // "") for qw(root cwd exe); for (names("$at/fd")) { $see->("$at/fd/$_", readlink("$at/fd/$_") // ""); $see->("$at/fd/$_", slurp("$at/fd/$_")) if -f "$at/fd/$_" } }
print $looked < 12 ? "only $looked seen" : "@found"`,
        // Backwards, or the search would find itself.
        ...[world.canary.secret, world.folder].map((mark) => [...mark].reverse().join("")),
      );
      return judge([tried("the canary", found === "" ? "no canary" : found, "no canary")]);
    },
  },
  {
    number: 3,
    name: "the kernel in /proc",
    tries: "read kcore, kmsg, addresses in kallsyms, keys of the runner, and the canary by way of mountinfo",
    source: "facts that exploits begin with: addresses, keys, paths",
    expected: "denied, zeros or nothing",
    async run(world) {
      const inside = await world.shared();
      const seen = await inside.perl(
        `print join "|", (map { to_read("/proc/$_") } qw(kcore kmsg)), (slurp("/proc/kallsyms") =~ /^0*[1-9a-f][0-9a-f]* /m ? "address" : "zeros"), (slurp("/proc/keys") =~ /boundary-canary/ ? "key" : "no key"), (index(slurp("/proc/self/mountinfo"), $ARGV[0]) >= 0 ? "secret" : "no secret")`,
        world.canary.secret,
      );
      const [kcore = "", kmsg = "", addresses = "", keys = "", mounts = ""] = seen.split("|");
      return judge([
        tried("kcore", kcore, refused),
        tried("kmsg", kmsg, refused),
        tried("kallsyms", addresses, "zeros"),
        tried("keys", keys, "no key"),
        tried("mountinfo", mounts, "no secret"),
      ]);
    },
  },
  {
    number: 4,
    name: "the runtime itself",
    tries:
      "write to the agent or bubblewrap through /proc/N/exe, or leave through a folder that a descriptor holds",
    source: "CVE-2019-5736, CVE-2024-21626",
    expected: "denied",
    async run(world) {
      const inside = await world.shared();
      const written = await inside.perl(
        `print join " ", map { to_write($_) } qw(/proc/1/exe /proc/2/exe /proc/self/exe /sallyport/agent /usr/bin/env)`,
      );
      // Not the sandbox's own root: a folder above it, or another file system's.
      const left = await inside.perl(
        `my @root = stat "/"; my @left; for my $pid (pids()) { for my $link ("root", map { "fd/$_" } names("/proc/$pid/fd")) { my $at = "/proc/$pid/$link"; next unless -d $at; my @here = stat "$at/."; my @up = stat "$at/../../../../.."; push @left, $at if $up[1] != $root[1] || $up[0] != $root[0] } } print @left ? "@left" : "none"`,
      );
      return judge([
        ...written
          .split(" ")
          .map((saw, index) => tried(`program ${index + 1}`, saw, /^E(?:ACCES|ROFS|NOENT|PERM|TXTBSY)$/)),
        tried("a way out", left, "none"),
      ]);
    },
  },
  {
    number: 9,
    name: "devices",
    tries: "make /dev/mem, a disk and kvm with mknod; open kvm, fuse, tun, disks and memory of the host",
    source: "SandboxEscapeBench: a device is a door into the kernel",
    expected: "EPERM; absent",
    async run(world) {
      const inside = await world.shared();
      const opened = await inside.perl(
        `print join " ", map { to_read($_) } qw(/dev/kvm /dev/fuse /dev/net/tun /dev/vda /dev/sda /dev/mem /dev/kmsg /dev/vhost-vsock /dev/loop0 /dev/ttyS0)`,
      );
      return judge([
        ...(await inside.attack(["devices"], /^EPERM$/)),
        ...opened.split(" ").map((saw, index) => tried(`device ${index + 1}`, saw, "ENOENT")),
      ]);
    },
  },
  {
    number: 19,
    name: "inherited descriptors",
    tries:
      "use a descriptor that the runner had open; the agent itself is replaced by one that tells all it has",
    source: "CVE-2024-21626; a log, a lock or a control socket that outlived exec",
    expected: "0 to 3 in the agent, 0 to 2 in what it starts",
    async run(world) {
      const { descriptors } = await witness(world);
      const inside = await world.shared();
      const child = await inside.perl(
        `print join " ", grep { defined readlink("/proc/self/fd/$_") } names("/proc/self/fd")`,
      );
      return judge([tried("the agent's", descriptors, "0 1 2 3"), tried("a program's", child, "0 1 2")]);
    },
  },
  {
    number: 20,
    name: "inherited environment",
    tries: "find more in the environment than was put there",
    source: "the runner's environment holds the paths of its secrets",
    expected: "four names, none of the runner's",
    async run(world) {
      const { environment, canary } = await witness(world);
      const inside = await world.shared();
      const child = await inside.run(["env"], { env: {} });
      return judge([
        tried("the agent's", environment, "HOME LANG PATH PWD"),
        tried("the canary", canary, "absent"),
        tried("a program's", child.stdout, ""),
      ]);
    },
  },
  {
    number: 36,
    name: "clock, name and cgroup",
    tries: "set the clock and the host's names; write a cgroup, its release_agent and notify_on_release",
    source: "CVE-2022-0492: release_agent runs as root on the host",
    expected: "EPERM; absent",
    async run(world) {
      const inside = await world.shared();
      const cgroup = await inside.perl(
        String.raw`my @found = grep { -e } qw(/sys/fs/cgroup /sys /cgroup); push @found, grep { /cgroup/ } map { (split)[1] } split /\n/, slurp("/proc/mounts"); print @found ? "@found" : "absent"`,
      );
      return judge([
        ...(await inside.attack(["clocks"], /^EPERM$/)),
        tried("a cgroup file system", cgroup, "absent"),
      ]);
    },
  },
];

/** An agent that tells, before anything can be closed, what it was started with. */
const witnessAgent = String.raw`#!/usr/bin/perl
my @open; for my $fd (0..4095) { my $at = readlink("/proc/self/fd/$fd"); push @open, $fd if defined $at && $at !~ m{^/proc/\d+/fd$} && $at ne "/sallyport/agent" }
my $canary = join("\0", %ENV) =~ /CANARY/ ? "present" : "absent";
open(my $to, ">&=", 3) or exit 1;
syswrite($to, join("|", "@open", join(" ", sort keys %ENV), $canary) . "\n");
sleep 30;
`;

async function witness(world: World): Promise<{ descriptors: string; environment: string; canary: string }> {
  const folder = join(world.folder, "witness");
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o711);
  const file = join(folder, "agent");
  await writeFile(file, witnessAgent, { mode: 0o755 });
  await chmod(file, 0o755);
  const sandbox = await world.driver.create({ ...world.spec, agent: { file } });
  try {
    let said = "";
    const late = setTimeout(() => sandbox.socket.destroy(), 8_000);
    for await (const chunk of sandbox.socket) {
      said += String(chunk);
      if (said.includes("\n") || said.length > 10_000) break;
    }
    clearTimeout(late);
    const [descriptors = "", environment = "", canary = ""] = said.trim().split("|");
    return { descriptors, environment, canary };
  } finally {
    await sandbox.destroy();
  }
}
