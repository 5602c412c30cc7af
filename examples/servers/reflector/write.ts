import type { ServerResponse } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";

export const ENCODERS = {
  identity: (body: Buffer): Buffer => body,
  gzip: (body: Buffer): Buffer => gzipSync(body),
  br: (body: Buffer): Buffer => brotliCompressSync(body),
  deflate: (body: Buffer): Buffer => deflateSync(body),
  zstd: (body: Buffer): Buffer => zstdCompressSync(body),
} as const;

type Encoding = keyof typeof ENCODERS;

export interface Whole {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Record<string, string>;
  readonly encoding?: Encoding;
}

/** A whole body at once, compressed if asked. */
export function writeWhole(res: ServerResponse, body: string, how: Whole = {}): void {
  const { status = 200, type = "application/json", headers = {}, encoding = "identity" } = how;
  const bytes = ENCODERS[encoding](Buffer.from(body));
  const encoded = encoding === "identity" ? {} : { "content-encoding": encoding };
  res.writeHead(status, { "content-type": type, "content-length": bytes.length, ...encoded, ...headers });
  res.end(bytes);
}

/** A body in small chunks with pauses between, so that anything in it is cut at every place. */
export async function dribble(
  res: ServerResponse,
  body: Buffer,
  chunkBytes: number,
  delayMs: number,
): Promise<void> {
  for (let at = 0; at < body.length && !res.destroyed; at += chunkBytes) {
    await writeChunk(res, body.subarray(at, at + chunkBytes));
    await pause(delayMs);
  }
}

/** One chunk, waiting where the client reads slowly: what is in memory stays small however long the body. */
export async function writeChunk(res: ServerResponse, chunk: Buffer | string): Promise<void> {
  if (res.destroyed || res.write(chunk)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      res.off("drain", done);
      res.off("close", done);
      resolve();
    };
    res.on("drain", done);
    res.on("close", done);
  });
}

/** One server-sent event that carries a JSON-RPC message. */
export const sseEvent = (message: unknown): string => `event: message\ndata: ${JSON.stringify(message)}\n\n`;

export function openSse(res: ServerResponse, headers: Record<string, string> = {}): void {
  res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache", ...headers });
}
