import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Where a server keeps its state: the caller's folder, or one made for this run and removed after it. */
export interface Place {
  readonly folder: string;
  readonly temporary: boolean;
}

/** Start something in its folder; a folder that was made for it goes again when the start fails. */
export async function inPlace<T>(
  name: string,
  dir: string | undefined,
  start: (place: Place) => Promise<T>,
): Promise<T> {
  if (dir !== undefined) {
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return await start({ folder: dir, temporary: false });
  }
  const folder = await mkdtemp(join(tmpdir(), `sallyport-${name}-`));
  try {
    return await start({ folder, temporary: true });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago. For servers that can't pick one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("the system gave no port");
  return address.port;
}

/** True when something accepts TCP connections there; undefined (not yet) when not. */
export async function accepts(port: number): Promise<true | undefined> {
  return await new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    socket.setTimeout(1_000);
    const answer = (value: true | undefined): void => {
      socket.destroy();
      resolve(value);
    };
    socket.once("connect", () => answer(true));
    socket.once("error", () => answer(undefined));
    socket.once("timeout", () => answer(undefined));
  });
}

/**
 * Start with a port that was free a moment ago; when another process took it in between, try the next.
 * A port that the caller asked for is tried once.
 */
export async function withFreePort<T>(
  port: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (port !== undefined) return await start(port);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(await freePort());
    } catch (error) {
      if (attempt === 5 || !/address already in use/i.test(String(error))) throw error;
    }
  }
}
