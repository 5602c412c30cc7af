import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A network of its own, joined to this machine by one cable. */
export interface Namespace {
  /** This machine's end of the cable: what is to be reached from inside listens here. */
  outside: string;
  /** The other end: where somebody would try to get in. */
  inside: string;
  /** How to start a command inside: command and arguments before its own. */
  enter: readonly [command: string, ...args: string[]];
  /**
   * Drops every packet that arrives, but answers from these ports of ours. It is the routing table that drops them, so
   * that nothing but iproute2 is needed.
   */
  closeInbound(answersFrom: readonly number[]): Promise<void>;
  remove(): Promise<void>;
}

/** Why no namespace can be made here, or undefined. */
export async function namespaceProblem(): Promise<string | undefined> {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "making a network namespace needs root";
  const name = `sp-probe-${process.pid}`;
  try {
    await run("ip", ["netns", "add", name]);
    await run("ip", ["-n", name, "rule", "add", "pref", "10", "ipproto", "tcp", "sport", "1", "blackhole"]);
    return undefined;
  } catch (error) {
    return `iproute2 cannot make one: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await run("ip", ["netns", "del", name]).catch(() => undefined);
  }
}

export async function openNamespace(): Promise<Namespace> {
  const name = `sp-${process.pid}`;
  const cable = `sp${process.pid}`;
  const net = `10.${200 + (process.pid % 50)}.${process.pid % 251}`;
  const [outside, inside] = [`${net}.1`, `${net}.2`];
  const ip = (...args: string[]) => run("ip", args);
  const within = (...args: string[]) => run("ip", ["-n", name, ...args]);
  const remove = async () => {
    await ip("netns", "del", name);
  };
  await ip("netns", "add", name);
  try {
    await ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name);
    await ip("addr", "add", `${outside}/30`, "dev", cable);
    await ip("link", "set", cable, "up");
    // No IPv6 address by itself: the one road is the one below.
    await within("link", "set", "eth0", "addrgenmode", "none");
    await within("addr", "add", `${inside}/30`, "dev", "eth0");
    await within("link", "set", "lo", "up");
    await within("link", "set", "eth0", "up");
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    outside,
    inside,
    enter: ["ip", "netns", "exec", name],
    closeInbound: async (answersFrom) => {
      const rule = (...args: string[]) => within("rule", "add", "pref", ...args);
      await rule("1", "iif", "lo", "lookup", "local");
      for (const port of answersFrom) {
        await rule("10", "iif", "eth0", "ipproto", "tcp", "sport", String(port), "lookup", "local");
      }
      await rule("20", "iif", "eth0", "blackhole");
      // Moved behind the others: as the first rule it would take in everything.
      await rule("30", "lookup", "local");
      await within("rule", "del", "pref", "0");
    },
    remove,
  };
}
