/** One rule: refused whatever its arguments are, or only where the 32 low bits of one argument say so. */
export type Condition =
  | { readonly always: true }
  /** Refused where any of these bits is set. */
  | { readonly argument: 0 | 1 | 2; readonly anyBit: number }
  /** Refused where the argument is one of these. */
  | { readonly argument: 0 | 1 | 2; readonly oneOf: readonly number[] }
  /** Refused where the argument, under the mask, is none of these. */
  | { readonly argument: 0 | 1 | 2; readonly notOneOf: readonly number[]; readonly mask: number };

export interface Rule {
  /** Name as in the kernel's table. */
  readonly call: string;
  /** System call number; undefined where the architecture has no such call. */
  readonly number: { readonly x64: number; readonly arm64?: number };
  readonly when: Condition;
  readonly errno: number;
}

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

const always: Condition = { always: true };
const deny = (call: string, x64: number, arm64?: number): Rule => ({
  call,
  number: arm64 === undefined ? { x64 } : { x64, arm64 },
  when: always,
  errno: EPERM,
});

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
/** Flags ride in the same argument as the type: SOCK_NONBLOCK, SOCK_CLOEXEC. */
const SOCK_TYPE = 0xf;
/** NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET of clone(2). */
const CLONE_NEW_ANY = 0x7e020000;
const TIOCSTI = 0x5412;
const TIOCLINUX = 0x541c;
const TIOCSETD = 0x5423;

/**
 * What no tool of an agent needs and what attacks on kernels and containers begin with. Everything else passes: the
 * namespaces, the empty capability set and the resource limits hold it. Numbers: arch/x86/entry/syscalls/syscall_64.tbl
 * and include/uapi/asm-generic/unistd.h.
 *
 * UNIX sockets stay open because the only ones there are to reach are those bound into the sandbox: its network
 * namespace has its own abstract names, its root its own paths.
 */
export const rules: readonly Rule[] = [
  // Another process's memory and descriptors.
  deny("ptrace", 101, 117),
  deny("process_vm_readv", 310, 270),
  deny("process_vm_writev", 311, 271),
  deny("pidfd_getfd", 438, 438),
  deny("kcmp", 312, 272),
  // Mounts.
  deny("mount", 165, 40),
  deny("umount2", 166, 39),
  deny("pivot_root", 155, 41),
  deny("chroot", 161, 51),
  deny("open_tree", 428, 428),
  deny("move_mount", 429, 429),
  deny("fsopen", 430, 430),
  deny("fsconfig", 431, 431),
  deny("fsmount", 432, 432),
  deny("fspick", 433, 433),
  deny("mount_setattr", 442, 442),
  deny("open_tree_attr", 467, 467),
  // Namespaces. clone3 passes its flags by pointer, which a filter cannot read: libraries fall back to clone on ENOSYS.
  deny("unshare", 272, 97),
  deny("setns", 308, 268),
  {
    call: "clone",
    number: { x64: 56, arm64: 220 },
    when: { argument: 0, anyBit: CLONE_NEW_ANY },
    errno: EPERM,
  },
  { call: "clone3", number: { x64: 435, arm64: 435 }, when: always, errno: ENOSYS },
  // The session keyring of whoever started us is inherited and is not namespaced.
  deny("add_key", 248, 217),
  deny("request_key", 249, 218),
  deny("keyctl", 250, 219),
  // Large kernel surfaces with a history of escapes.
  deny("bpf", 321, 280),
  deny("perf_event_open", 298, 241),
  deny("userfaultfd", 323, 282),
  deny("io_uring_setup", 425, 425),
  deny("io_uring_enter", 426, 426),
  deny("io_uring_register", 427, 427),
  deny("modify_ldt", 154),
  deny("fanotify_init", 300, 262),
  // A file of the host by its inode number ("Shocker").
  deny("name_to_handle_at", 303, 264),
  deny("open_by_handle_at", 304, 265),
  // The machine itself.
  deny("kexec_load", 246, 104),
  deny("kexec_file_load", 320, 294),
  deny("init_module", 175, 105),
  deny("finit_module", 313, 273),
  deny("delete_module", 176, 106),
  deny("reboot", 169, 142),
  deny("swapon", 167, 224),
  deny("swapoff", 168, 225),
  deny("acct", 163, 89),
  deny("quotactl", 179, 60),
  deny("quotactl_fd", 443, 443),
  deny("syslog", 103, 116),
  deny("settimeofday", 164, 170),
  deny("clock_settime", 227, 112),
  deny("sethostname", 170, 161),
  deny("setdomainname", 171, 162),
  deny("iopl", 172),
  deny("ioperm", 173),
  deny("vhangup", 153, 58),
  // Typing into the terminal that started us (CVE-2017-5226), and loading line disciplines.
  {
    call: "ioctl",
    number: { x64: 16, arm64: 29 },
    when: { argument: 1, oneOf: [TIOCSTI, TIOCLINUX, TIOCSETD] },
    errno: EPERM,
  },
  // vsock and netlink are not, or not wholly, in the network namespace: only what an egress bridge needs is left.
  {
    call: "socket",
    number: { x64: 41, arm64: 198 },
    when: { argument: 0, notOneOf: [AF_UNIX, AF_INET, AF_INET6], mask: 0xffffffff },
    errno: EAFNOSUPPORT,
  },
  {
    call: "socket",
    number: { x64: 41, arm64: 198 },
    when: { argument: 1, notOneOf: [SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET], mask: SOCK_TYPE },
    errno: EPERM,
  },
  {
    call: "socketpair",
    number: { x64: 53, arm64: 199 },
    when: { argument: 0, notOneOf: [AF_UNIX], mask: 0xffffffff },
    errno: EAFNOSUPPORT,
  },
];
