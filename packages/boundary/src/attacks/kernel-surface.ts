import { chmod, copyFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { printable } from "@sallyport/contracts";
import { type Attack, judge, type Seen, type Try, tried } from "../attack.ts";
import { knownProcess } from "../known-process.ts";
import type { World } from "../world.ts";

/** Every line of one group of the attack program, in the sandbox that all share. */
const group =
  (name: string, expected: RegExp | ((what: string) => RegExp)) =>
  async (world: World): Promise<Seen> =>
    judge(await (await world.shared()).attack([name], expected));

/** System calls that exploits begin with. */
export const kernelSurface: readonly Attack[] = [
  {
    number: 6,
    name: "mounts",
    tries: "mount, remount writable, bind, unmount, move_mount, open_tree, fsopen, pivot_root, chroot",
    source: "CVE-2022-0185 (fsopen); every container escape that remounts",
    expected: "EPERM",
    run: group("mounts", /^EPERM$/),
  },
  {
    number: 7,
    name: "namespaces",
    tries: "unshare, clone and clone3 into new namespaces, setns into others",
    source: "a user namespace brings capabilities, and with them most kernel exploits",
    expected: "EPERM; ENOSYS for clone3",
    run: group("namespaces", (what) => (what.startsWith("clone3") ? /^ENOSYS$/ : /^EPERM$/)),
  },
  {
    number: 8,
    name: "privilege",
    tries: "setuid 0, capset, ambient capabilities, no_new_privs off, a setuid program of root's",
    source: "CVE-2014-6407 and its like: what a setuid program adds",
    expected: "EPERM; no capability; no_new_privs stays",
    async run(world) {
      const inside = await world.shared();
      const status = await inside.perl(
        String.raw`my $s = slurp("/proc/self/status"); print join " ", map { $s =~ /^$_:\s*(\w+)/m ? $1 : "none" } qw(CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp)`,
      );
      const none = "0000000000000000";
      return judge([
        ...(await whoIsWho(world)),
        ...(await inside.attack(["privilege"], (what) =>
          what === "no_new_privs" ? /^1$/ : /^E(?:PERM|INVAL)$/,
        )),
        tried("capabilities", status, `${none} ${none} ${none} ${none} ${none} 1 2`),
        ...(await bySetuidProgram(world)),
      ]);
    },
  },
  {
    number: 10,
    name: "file handles",
    tries: "open a file of the host by its inode number",
    source: "Shocker (2014)",
    expected: "EPERM",
    run: group("handles", /^EPERM$/),
  },
  {
    number: 11,
    name: "foreign system calls",
    tries: "call by the numbers of i386 (int 0x80) and x32, which a filter for x86-64 does not see",
    source: "seccomp(2), on architectures",
    expected: "killed by SIGSYS",
    async run(world) {
      if (process.arch !== "x64")
        return { verdict: "not tried", seen: "", why: `${process.arch} has one set of system calls here.` };
      // Without the compatibility layer the kernel has no int 0x80: SIGSEGV.
      return judge(await (await world.shared()).attack(["foreign"], /^signal (?:31|11)$/));
    },
  },
  {
    number: 12,
    name: "large kernel interfaces",
    tries: "io_uring, userfaultfd, bpf, perf_event_open, modules, kexec, fanotify, the kernel's log",
    source: "CVE-2022-29582, CVE-2021-3490 and many more of their kind",
    expected: "EPERM",
    run: group("surface", /^EPERM$/),
  },
  {
    number: 13,
    name: "sockets outside of TCP and UDP",
    tries: "raw, packet, vsock, netlink, alg, bluetooth, key, xdp, tipc, can, rds, nfc, x25",
    source: "vsock is in no network namespace before Linux 7; CVE-2021-43267 (tipc), CVE-2017-7308 (packet)",
    expected: "EAFNOSUPPORT or EPERM",
    run: group("sockets", /^(?:EAFNOSUPPORT|EPERM)$/),
  },
  {
    number: 14,
    name: "keyrings",
    tries: "add a key, search the runner's session keyring for its canary, join another",
    source: "the session keyring is inherited by exec, and is in no namespace",
    expected: "EPERM",
    async run(world) {
      return judge(await (await world.shared()).attack(["keys", canaryKey], /^EPERM$/));
    },
  },
  {
    number: 15,
    name: "the runner's terminal",
    tries: "TIOCSTI, TIOCLINUX, TIOCSETD; a process in the runner's session; escapes in output",
    source: "CVE-2017-5226 (bubblewrap)",
    expected: "EPERM; a session of its own; escaped",
    async run(world) {
      const inside = await world.shared();
      await inside.attack(["clocks"], /./);
      const { stdout } = await inside.run(["/tmp/attack", "terminal"], {
        terminal: { rows: 24, columns: 80 },
      });
      const typed = stdout.replaceAll("\r", "").trimEnd().split("\n");
      // A session that began outside has no number in here.
      const sessions = await inside.perl(
        String.raw`print join " ", map { slurp("/proc/$_/stat") =~ /^.*\) \S+ \d+ \d+ (\d+)/s ? ($1 > 0 ? "own" : "host") : "unseen" } 1, 2`,
      );
      const shown = printable(`${await inside.perl(`print "\\e]0;taken\\a\\e[2J\\x{9b}31m"`)}\u202e`, 200);
      return judge([
        ...typed
          .slice(0, -1)
          .map((line) => tried(line.split(": ")[0] ?? "", line.split(": ")[1] ?? "", "EPERM")),
        tried("calls made", typed.at(-1) ?? "", "end: 4"),
        ...sessions.split(" ", 2).map((saw, index) => tried(`session of process ${index + 1}`, saw, "own")),
        tried("escapes", /[\p{Cc}\p{Cf}]/u.test(shown) ? "obeyed" : "escaped", "escaped"),
      ]);
    },
  },
];

/** The description of the key that `runnerCommand` plants. */
export const canaryKey = "sallyport-boundary-canary";

/** Who the kernel takes two sandboxes for, as the host sees it: where each has a user of its own, never the runner. */
async function whoIsWho(world: World): Promise<readonly Try[]> {
  if (world.capabilities.class.user !== "own-uid") return [];
  const users: number[] = [];
  const both = [await world.start(), await world.start()];
  for (const [index, each] of both.entries()) {
    const pid = await knownProcess(each, `user-${world.canary.secret.slice(0, 8)}-${index}`);
    users.push((await stat(`/proc/${pid}`)).uid);
  }
  await Promise.all(both.map((each) => each.destroy()));
  const apart = new Set([...users, 0, process.geteuid?.()]).size === 3;
  return [tried("users outside", apart ? "their own" : users.join(" and "), "their own")];
}

/** A program that root owns and that is setuid, in the folder below the workspace: it must run as nobody else. */
async function bySetuidProgram(world: World): Promise<readonly Try[]> {
  if (!world.proven("workspace.base")) return [];
  const base = join(world.folder, "setuid");
  await mkdir(base, { recursive: true });
  await chmod(base, 0o755);
  await copyFile(world.programs.attack, join(base, "root"));
  await chmod(join(base, "root"), 0o4755);
  const inside = await world.start({ workspace: { ...world.spec.workspace, base } });
  const { stdout, code } = await inside.run(["/workspace/root", "euid"]);
  await inside.destroy();
  return [tried("a setuid program", code === 0 ? stdout.trim() : `code ${code}`, "1000")];
}
