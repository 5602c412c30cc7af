import type { Socket } from "node:net";
import type { Duplex } from "node:stream";

export interface SpliceOptions {
  readonly idleMs: number;
  readonly totalMs: number;
  /** What the sandbox's bytes, and the server's, go through. */
  readonly up?: Duplex | undefined;
  readonly down?: Duplex | undefined;
}

/** Both ways until both have said all, nobody says anything any more, or the time is up. */
export function splice(
  socket: Duplex,
  upstream: Socket,
  { idleMs, totalMs, up, down }: SpliceOptions,
): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(total);
      socket.destroy();
      upstream.destroy();
      resolve();
    };
    const total = setTimeout(end, totalMs);
    upstream.setTimeout(idleMs, end); // counts both directions: what one side says is written to the other
    socket.once("close", end);
    upstream.once("close", end);
    (down === undefined ? upstream : upstream.pipe(down)).pipe(socket);
    (up === undefined ? socket : socket.pipe(up)).pipe(upstream);
  });
}
