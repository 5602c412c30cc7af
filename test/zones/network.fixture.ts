import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { firewall, type Place, places } from "./dials.ts";

const run = promisify(execFile);
/** Nothing else on this machine is reached from these networks: they have no cable but those to their own router. */
const net = (place: Place) => `10.231.${places.indexOf(place) + 1}`;
const cable = (place: Place) => `v-${place}`;

/** One network for each place, and a router between them that stands for the security groups. */
export interface Network {
  address(place: Place): string;
  /** Words before a command: then it runs in that place's network. */
  enter(place: Place): readonly [command: string, ...args: string[]];
  /** Whether the table is in force. Without it the router lets everything through: the control run. */
  enforce(on: boolean): Promise<void>;
  /** Packets that were dropped so far, by `from_to_to`. */
  dropped(): Promise<ReadonlyMap<string, number>>;
  remove(): Promise<void>;
}

/** Why there can be no such network here, or undefined. Root on Debian gets nftables if it is missing. */
export async function networkProblem(): Promise<string | undefined> {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "making a network namespace needs root";
  const name = `sp-probe-${process.pid}`;
  try {
    if (!(await has("nft"))) await run("apt-get", ["install", "-y", "--no-install-recommends", "nftables"]);
    await run("ip", ["netns", "add", name]);
    await run("ip", ["netns", "exec", name, "nft", "add", "table", "inet", "probe"]);
    return undefined;
  } catch (error) {
    return `iproute2 and nftables are needed: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await run("ip", ["netns", "del", name]).catch(() => undefined);
  }
}

export async function openNetwork(): Promise<Network> {
  const name = (of: Place | "router") => `sp${process.pid}-${of}`;
  const within = (of: Place | "router", ...args: string[]) => run("ip", ["-n", name(of), ...args]);
  const nft = (text: string) => feed(["netns", "exec", name("router"), "nft", "-f", "-"], text);
  const made: string[] = [];
  const add = async (of: Place | "router") => {
    await run("ip", ["netns", "add", name(of)]);
    made.push(name(of));
    await within(of, "link", "set", "lo", "up");
  };
  const remove = async () => {
    for (const one of made.splice(0).reverse()) await run("ip", ["netns", "del", one]);
  };
  try {
    await add("router");
    await run("ip", ["netns", "exec", name("router"), "sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    for (const place of places) {
      await add(place);
      const peer = ["type", "veth", "peer", "name", cable(place), "netns", name("router")];
      await run("ip", ["link", "add", "name", "eth0", "netns", name(place), ...peer]);
      for (const [of, link, end] of [
        ["router", cable(place), 1],
        [place, "eth0", 2],
      ] as const) {
        // No IPv6 address by itself: the one road is the one below.
        await within(of, "link", "set", link, "addrgenmode", "none");
        await within(of, "addr", "add", `${net(place)}.${end}/24`, "dev", link);
        await within(of, "link", "set", link, "up");
      }
      await within(place, "route", "add", "default", "via", `${net(place)}.1`);
    }
    await nft(firewall(cable));
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    address: (place) => `${net(place)}.2`,
    enter: (place) => ["/usr/bin/nsenter", `--net=/run/netns/${name(place)}`, "--"],
    enforce: (on) =>
      nft(`flush chain inet zones forwarding\ndelete table inet zones\n${on ? firewall(cable) : empty}`),
    dropped: async () => {
      const { stdout } = await run("ip", [
        ...["netns", "exec", name("router")],
        ...["nft", "-j", "list", "counters", "table", "inet", "zones"],
      ]);
      const { nftables } = JSON.parse(stdout) as Listing;
      return new Map(nftables.flatMap(({ counter }) => (counter ? [[counter.name, counter.packets]] : [])));
    },
    remove,
  };
}

/** A network of its own with its loopback and no cable: what is to be reached there is put there. */
export async function openIsland(): Promise<Pick<Network, "address" | "enter" | "remove">> {
  const name = `sp${process.pid}-island`;
  await run("ip", ["netns", "add", name]);
  const remove = async () => {
    await run("ip", ["netns", "del", name]);
  };
  try {
    await run("ip", ["-n", name, "link", "set", "lo", "up"]);
  } catch (error) {
    await remove();
    throw error;
  }
  const enter = ["/usr/bin/nsenter", `--net=/run/netns/${name}`, "--"] as const;
  return { address: () => "127.0.0.1", enter: () => enter, remove };
}

const empty = "table inet zones {\n  chain forwarding {\n  }\n}\n";

interface Listing {
  nftables: { counter?: { name: string; packets: number } }[];
}

async function has(program: string): Promise<boolean> {
  return run(program, ["--version"]).then(
    () => true,
    () => false,
  );
}

async function feed(args: readonly string[], text: string): Promise<void> {
  const running = run("ip", args);
  running.child.stdin?.end(text);
  await running;
}
