import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { IsolationError } from "../isolation-error.ts";

/** Where a launcher hands over its ends of the sockets that it gave to sandboxes. */
export interface Handover {
  readonly path: string;
  /** The other end of the socket of one sandbox. To be asked for before it is handed over, and forgotten if it is not. */
  expect(id: string): Promise<Socket>;
  forget(id: string): void;
  /** Lets nobody in any more. Who is in stays. */
  close(): void;
}

/** sockaddr_un(7). */
const pathBytes = 107;
const idBytes = 16;

/**
 * Node cannot take over a descriptor of another process, so the launcher connects once for each sandbox and says whose it
 * is. Nobody but the runner's user comes to the folder, and who says no name that is waited for is turned away.
 */
export async function openHandover(folder: string): Promise<Handover> {
  const path = join(folder, "handover");
  if (Buffer.byteLength(path) > pathBytes)
    throw new IsolationError(
      "setup",
      `state: ${path} is longer than ${pathBytes} bytes, as a socket's path may be`,
    );
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  await rm(path, { force: true });
  const expected = new Map<string, (socket: Socket) => void>();
  const server = createServer((socket) => {
    // A broken pipe is told by the sandbox's end, not by the stream.
    socket.on("error", () => {});
    socket.once("readable", () => {
      const id = String(socket.read(idBytes));
      const take = expected.get(id);
      if (take === undefined) return void socket.destroy();
      expected.delete(id);
      take(socket);
    });
  });
  // It alone must not keep a runner alive.
  server.unref();
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  return {
    path,
    expect: (id) => new Promise((resolve) => expected.set(id, resolve)),
    forget: (id) => void expected.delete(id),
    close: () => void server.close(),
  };
}
