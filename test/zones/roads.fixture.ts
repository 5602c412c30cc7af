import { readFile } from "node:fs/promises";
import { connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { join } from "node:path";
import { type Server, startServer } from "@sallyport/testkit";
import type { Place } from "./dials.ts";
import type { Network } from "./network.fixture.ts";

export interface Roads {
  /** What listens on loopback here, at its place in the network: with TLS, where there are files for it. */
  front(
    place: Place,
    at: { port: number; to: number; tls?: { certFile: string; keyFile: string } },
  ): Promise<void>;
  /** A port of loopback here that leads to another place as one who stands at `from`. */
  door(from: Place, to: { host: string; port: number }): Promise<number>;
  close(): Promise<void>;
}

/** Whoever runs the test is in no place of the network: unix sockets are what both sides can reach. */
export function openRoads(network: Pick<Network, "address" | "enter">, folder: string): Roads {
  const closing: (() => Promise<void>)[] = [];
  let count = 0;
  const inside = async (place: Place, forward: object): Promise<void> => {
    count += 1;
    const server: Server = await startServer({
      name: `forward-${count}`,
      ...program(network, place, ["forward.ts", JSON.stringify(forward)]),
      folder,
      temporary: false,
      ready: logged(join(folder, `forward-${count}.log`), "listening"),
    });
    closing.push(server.stop);
  };
  const socket = () => join(folder, `r${count + 1}.sock`);
  return {
    front: async (place, { port, to, tls }) => {
      const path = socket();
      closing.push(await listen({ path }, () => connect(to, "127.0.0.1")).then(({ close }) => close));
      await inside(place, { listen: { host: network.address(place), port }, to: { path }, tls });
    },
    door: async (from, to) => {
      const path = socket();
      await inside(from, { listen: { path }, to });
      const { port, close } = await listen({ host: "127.0.0.1", port: 0 }, () => connect(path));
      closing.push(close);
      return port;
    },
    close: async () => {
      for (const close of closing.splice(0).reverse()) await close();
    },
  };
}

/** A program of this folder, at a place. */
export function program(
  network: Pick<Network, "enter">,
  place: Place,
  [file = "", ...args]: readonly string[],
) {
  const [command, ...enter] = network.enter(place);
  return { command, args: [...enter, process.execPath, join(import.meta.dirname, file), ...args] };
}

/** Ready when it has said so in its log. */
export function logged(file: string, word: string): () => Promise<true | undefined> {
  return async () => {
    return (await readFile(file, "utf8")).includes(word) ? true : undefined;
  };
}

async function listen(
  at: { path: string } | { host: string; port: number },
  onward: () => Socket,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: NetServer = createServer((one) => {
    const other = onward();
    for (const [from, into] of [
      [one, other],
      [other, one],
    ] as const) {
      sockets.add(from);
      from.on("error", () => into.destroy());
      from.on("close", () => {
        sockets.delete(from);
        into.destroy();
      });
      from.pipe(into);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: async () => {
      for (const one of sockets) one.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
