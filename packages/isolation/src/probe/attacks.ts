import type { Check, Protects } from "../capabilities.ts";
import { rules } from "../seccomp/table.ts";
import { numberOf } from "./inside.ts";

/** An attack in Perl, and what it may evaluate to. Anything else is an escape, or a limit that does not hold. */
export interface Attack extends Pick<Check, "check" | "why"> {
  readonly protects: Protects;
  readonly code: string;
  readonly expected: readonly string[];
}

const attack = (check: string, code: string, expected: readonly string[], why: string): Attack => ({
  check,
  protects: "isolation",
  code,
  expected,
  why,
});

const refusedCalls = rules.filter(
  ({ when, number }) => "always" in when && (process.arch === "x64" || number.arm64),
);
const socketCall = (family: number, type: number): string =>
  `call(${numberOf("socket")}, ${family}, ${type}, 0)`;

/** What every sandbox must withstand. */
export const isolationAttacks: readonly Attack[] = [
  attack(
    "write any setting of the kernel below /proc/sys",
    `my $open = ""; walk("/proc/sys", sub { $open ||= $_[0] if to_write($_[0]) eq "allowed" }); $open || "none"`,
    ["none"],
    "core_pattern is not in any namespace: who writes it runs code on the host",
  ),
  attack(
    "write /proc/sysrq-trigger, or see /sys, /run/docker.sock, /home or /root",
    `join " ", to_write("/proc/sysrq-trigger"), grep { -e } qw(/sys /run/docker.sock /home /root /boot)`,
    ["EACCES", "EROFS", "ENOENT"],
    "the host's files are reachable",
  ),
  attack(
    "read what the first process was started with",
    `slurp("/proc/1/environ") eq "" ? "nothing" : "something"`,
    ["nothing"],
    "the runner's environment is readable inside",
  ),
  attack(
    "gain privilege",
    `my $status = slurp("/proc/self/status"); join " ", map { $status =~ /^$_:\\s*(\\w+)/m } qw(CapEff CapBnd CapPrm NoNewPrivs Seccomp)`,
    ["0000000000000000 0000000000000000 0000000000000000 1 2"],
    "capabilities are left, a setuid program could add some, or no system call filter holds",
  ),
  attack(
    "make system calls that no tool needs",
    `join " ", grep { $_ } map { my ($call, $number, $want) = @$_; my $saw = call($number, 0, 0, 0, 0, 0, 0); $saw eq $want ? "" : "$call:$saw" } (${refusedCalls
      .map(({ call, errno }) => `["${call}", ${numberOf(call)}, "${errno === 1 ? "EPERM" : "ENOSYS"}"]`)
      .join(", ")})`,
    [""],
    "the system call filter does not hold: attacks on kernels begin with these calls",
  ),
  attack(
    "start a process in a namespace of its own",
    `my $pid = syscall(${numberOf("clone")}, 0x10000011, 0, 0, 0, 0); exit 0 if $pid == 0; $pid > 0 ? "allowed" : name()`,
    ["EPERM"],
    "a user namespace brings capabilities, and with them much more of the kernel",
  ),
  attack(
    "open vsock, netlink, packet, alg, bluetooth and raw sockets",
    `join " ", ${[40, 16, 17, 38, 31].map((family) => socketCall(family, 1)).join(", ")}, ${socketCall(2, 3)}`,
    ["EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT EPERM"],
    "an empty network namespace does not close these",
  ),
  attack(
    "type into the terminal that started it",
    `my $byte = "x"; join " ", map { call(${numberOf("ioctl")}, 0, $_, $byte) } 0x5412, 0x541c`,
    ["EPERM EPERM"],
    "a command for the operator's shell could be typed",
  ),
  attack(
    "see a network interface or a route",
    `my @devices = slurp("/proc/net/dev") =~ /^\\s*(\\S+):/mg; my $routes = () = slurp("/proc/net/route") =~ /\\n/g; "@devices, " . ($routes - 1) . " routes"`,
    ["lo, 0 routes"],
    "traffic could leave without passing the egress proxy",
  ),
  attack(
    "see a process of the host",
    `join " ", grep { /^\\d+$/ } names("/proc")`,
    ["1 2"],
    "processes of others can be seen and signalled",
  ),
  attack(
    "use a descriptor of the runner",
    `my @open = grep { readlink("/proc/self/fd/$_") } names("/proc/self/fd"); "@open"`,
    ["0 1 2 3"],
    "a file, socket or lock of the runner was inherited",
  ),
  attack(
    "find more in the environment than was put there",
    `join " ", sort keys %ENV`,
    ["HOME LANG PATH PWD"],
    "the runner's environment was inherited",
  ),
  attack(
    "write outside of its own folders",
    `join " ", map { open(my $file, ">", "$_/x") ? "allowed" : name() } qw(/ /usr /etc /dev /sallyport /proc/sys)`,
    [
      "EROFS EROFS EROFS EROFS EROFS EACCES",
      "EROFS EROFS EROFS EROFS EROFS EROFS",
      "EROFS EROFS EROFS EROFS EROFS ENOENT",
    ],
    "the root is writable: its size has no limit, or it is the host's",
  ),
  attack(
    "find a device of the host",
    `join " ", names("/dev")`,
    [
      "console core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
      "core fd full null ptmx pts random shm stderr stdin stdout tty urandom zero",
    ],
    "a device is a door into the kernel",
  ),
];

const fill = (folder: string, mebibytes: number): string =>
  `open(my $file, ">", "${folder}/fill") or return name(); my $saw = "allowed"; for (1..${mebibytes}) { my $wrote = syswrite($file, "x" x 1048576); if (!defined $wrote) { $saw = name(); last } } close $file; unlink "${folder}/fill"; $saw`;
const limit = (protects: Protects, check: string, code: string, expected: string): Attack => ({
  check,
  protects,
  code,
  expected: [expected],
  why: "the limit does not hold: one sandbox could starve its neighbours and the host",
});

/** Sizes of the sandbox that the limits are proven in. */
export const probeSizes = {
  workspaceMiB: 8,
  inodes: 64,
  temporaryMiB: 4,
  memoryMiB: 96,
  pids: 24,
  cpus: 0.05,
} as const;

export const spaceAttacks: readonly Attack[] = [
  limit("workspace.bytes", "fill the workspace", fill("/workspace", probeSizes.workspaceMiB + 2), "ENOSPC"),
  limit("temporaryBytes", "fill /tmp", fill("/tmp", probeSizes.temporaryMiB + 2), "ENOSPC"),
  limit("temporaryBytes", "fill /dev/shm", fill("/dev/shm", probeSizes.temporaryMiB + 2), "ENOSPC"),
];

export const inodeAttack: Attack = limit(
  "workspace.inodes",
  "make more files than the workspace may have",
  `my $saw = "allowed"; for (1..${probeSizes.inodes + 1}) { open(my $file, ">", "/workspace/$_") or do { $saw = name() . " at $_"; last } } unlink map { "/workspace/$_" } 1..${probeSizes.inodes + 1}; $saw`,
  `ENOSPC at ${probeSizes.inodes + 1}`,
);

export const limitAttacks: readonly Attack[] = [
  limit(
    "limits.memoryBytes",
    "use more memory than allowed",
    `my $much = ${probeSizes.memoryMiB * 2_097_152}; in_child(sub { my $text = "x" x $much })`,
    "signal 9",
  ),
  limit(
    "limits.pids",
    "start more processes than allowed",
    `my @all; my $saw = "allowed"; for (1..${probeSizes.pids + 1}) { my $pid = fork(); if (!defined $pid) { $saw = name(); last } if (!$pid) { sleep 60; exec "/bin/false" } push @all, $pid } kill 9, @all; waitpid($_, 0) for @all; $saw`,
    "EAGAIN",
  ),
];

/**
 * Four burn six periods of the quota together. In a sandbox that has so little of it that they reach it in each period,
 * however busy the host is.
 */
export const processorAttack: Attack = limit(
  "limits.cpus",
  "use more processor time than allowed",
  `use Time::HiRes; my $began = Time::HiRes::time(); my @all; for (1..4) { my $pid = fork(); return name() unless defined $pid; if (!$pid) { 1 while Time::HiRes::clock() < ${(probeSizes.cpus * 0.6) / 4}; kill 9, $$ } push @all, $pid } waitpid($_, 0) for @all; my $share = ${probeSizes.cpus * 0.6} / (Time::HiRes::time() - $began); $share < ${probeSizes.cpus * 2} ? "held" : "share $share"`,
  "held",
);

export const egressAttack: Attack = {
  check: "reach the egress socket, which is the only one",
  protects: "egress",
  code: `use Socket; socket(my $door, AF_UNIX, SOCK_STREAM, 0) or return name(); connect($door, pack_sockaddr_un("/run/sallyport/egress.sock")) or return name(); sysread($door, my $said, 100); $said`,
  expected: ["the door"],
  why: "the sandbox's user cannot connect to its proxy",
};

export const baseAttack: Attack = {
  check: "change the folder below a workspace",
  protects: "workspace.base",
  code: `open(my $file, ">", "/workspace/below") or return name(); print $file "changed"; close $file; slurp("/workspace/below")`,
  expected: ["changed"],
  why: "copy-on-write does not work here: changes fail, or reach the folder that sandboxes share",
};
