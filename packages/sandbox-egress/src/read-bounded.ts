import type { Readable } from "node:stream";

/** All of it; undefined as soon as it is more than `most` bytes. */
export async function readBounded(stream: Readable, most: number): Promise<Buffer | undefined> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of stream.iterator({ destroyOnReturn: false })) {
    pieces.push(piece as Buffer);
    size += (piece as Buffer).length;
    if (size > most) return undefined;
  }
  return Buffer.concat(pieces);
}
