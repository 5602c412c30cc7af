import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Of Linux's procfs: what a process was started with, who started it, and what it holds open. */
export interface Process {
  pid: number;
  parent: number;
  commandLine: string;
  environment: string;
}

/** Every process of this machine that this user may look into. */
export function processes(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readProcess(Number(name)) ?? []);
}

/** These processes and everything that they started, as it is now. */
export function processTree(roots: readonly number[]): Process[] {
  const all = processes();
  const within = new Set(roots);
  for (let size = 0; size !== within.size; ) {
    size = within.size;
    for (const one of all) if (within.has(one.parent)) within.add(one.pid);
  }
  return all.filter((one) => within.has(one.pid));
}

function readProcess(pid: number): Process | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      pid,
      parent: Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]),
      commandLine: readFileSync(`/proc/${pid}/cmdline`, "utf8"),
      environment: readFileSync(`/proc/${pid}/environ`, "utf8"),
    };
  } catch {
    return undefined; // it has ended meanwhile, or is another's
  }
}

export interface ListeningSocket {
  kind: "tcp" | "udp";
  /** Address and port as the kernel writes them, in hex. */
  local: string;
}

/** The sockets of a process that anybody could send to: listening TCP, and UDP that is bound to no peer. */
export function listeningSockets(pid: number): ListeningSocket[] {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // closed meanwhile
    }
  }
  return (["tcp", "tcp6", "udp", "udp6"] as const).flatMap((table) => {
    const rows = readFileSync(`/proc/${pid}/net/${table}`, "utf8").trim().split("\n").slice(1);
    return rows.flatMap((row) => {
      const fields = row.trim().split(/\s+/);
      const [, local = "", remote = "", state] = fields;
      if (!inodes.has(fields[9] ?? "")) return [];
      const kind = table.startsWith("tcp") ? "tcp" : "udp";
      // 0A is LISTEN (include/net/tcp_states.h); a UDP socket without a peer takes from anybody.
      const open = kind === "tcp" ? state === "0A" : /^0+:0000$/.test(remote);
      return open ? [{ kind, local } as const] : [];
    });
  });
}
