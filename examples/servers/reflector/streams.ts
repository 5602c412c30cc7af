import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import type { z } from "zod";
import type { floodArguments, hangArguments, resetArguments, streamArguments } from "./arguments.ts";
import { type Call, textMessage } from "./call.ts";
import { openSse, sseEvent, writeChunk } from "./write.ts";

/** Progress at intervals, then the result. */
export async function stream(
  { id, progressToken, res }: Call,
  args: z.infer<typeof streamArguments>,
): Promise<void> {
  const { events, intervalMs } = args;
  openSse(res);
  for (let progress = 1; progress <= events && !res.destroyed; progress += 1) {
    const params = { progressToken: progressToken ?? id, progress, total: events };
    await writeChunk(res, sseEvent({ jsonrpc: "2.0", method: "notifications/progress", params }));
    await pause(intervalMs);
  }
  res.end(sseEvent(textMessage(id, `${events} events sent`)));
}

/** A result of N MiB, written as fast as the client reads: as one JSON body, or as one long event. */
export async function flood({ id, res }: Call, args: z.infer<typeof floodArguments>): Promise<void> {
  const { mebibytes, chunkKiB, sse } = args;
  const [before, after] = JSON.stringify(textMessage(id, "\u0001")).split("\\u0001");
  if (sse) openSse(res);
  else res.writeHead(200, { "content-type": "application/json" });
  await writeChunk(res, `${sse ? "event: message\ndata: " : ""}${before}`);
  const chunk = Buffer.alloc(chunkKiB * 1024, "x");
  for (let left = Math.round(mebibytes * 1_048_576); left > 0 && !res.destroyed; left -= chunk.length) {
    await writeChunk(res, left < chunk.length ? chunk.subarray(0, left) : chunk);
  }
  res.end(`${after}${sse ? "\n\n" : ""}`);
}

/** Never ends: before the head, after it, or in the middle of the body. Ends when the client gives up. */
export async function hang({ id, res }: Call, args: z.infer<typeof hangArguments>): Promise<void> {
  const { after } = args;
  if (after !== "nothing") {
    res.writeHead(200, { "content-type": "application/json" });
    res.flushHeaders();
  }
  if (after === "half") res.write(JSON.stringify(textMessage(id, "half")).slice(0, 20));
  await once(res, "close");
}

/** Breaks the connection after some bytes of a longer body, with a TCP reset. */
export async function reset({ res }: Call, args: z.infer<typeof resetArguments>): Promise<void> {
  const { afterBytes } = args;
  res.writeHead(200, { "content-type": "application/json", "content-length": afterBytes + 1000 });
  res.flushHeaders();
  await new Promise<void>((resolve) => res.write(Buffer.alloc(afterBytes || 1, " "), () => resolve()));
  res.socket?.resetAndDestroy();
}
