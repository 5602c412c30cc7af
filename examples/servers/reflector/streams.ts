import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { floodArguments, hangArguments, resetArguments, streamArguments } from "./arguments.ts";
import { type Call, textMessage } from "./call.ts";
import { openSse, sseEvent, writeChunk } from "./write.ts";

/** Progress at intervals, then the result. */
export async function stream({ id, args, progressToken, res }: Call): Promise<void> {
  const { events, intervalMs } = streamArguments.parse(args);
  openSse(res);
  for (let progress = 1; progress <= events && !res.destroyed; progress += 1) {
    const params = { progressToken: progressToken ?? id, progress, total: events };
    await writeChunk(res, sseEvent({ jsonrpc: "2.0", method: "notifications/progress", params }));
    await pause(intervalMs);
  }
  res.end(sseEvent(textMessage(id, `${events} events sent`)));
}

/** A result of N MiB, written as fast as the client reads: as one JSON body, or as one long event. */
export async function flood({ id, args, res }: Call): Promise<void> {
  const { mebibytes, chunkKiB, sse } = floodArguments.parse(args);
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
export async function hang({ id, args, res }: Call): Promise<void> {
  const { after } = hangArguments.parse(args);
  if (after !== "nothing") {
    res.writeHead(200, { "content-type": "application/json" });
    res.flushHeaders();
  }
  if (after === "half") res.write(JSON.stringify(textMessage(id, "half")).slice(0, 20));
  await once(res, "close");
}

/** Breaks the connection after some bytes of a longer body, with a TCP reset. */
export async function reset({ args, res }: Call): Promise<void> {
  const { afterBytes } = resetArguments.parse(args);
  res.writeHead(200, { "content-type": "application/json", "content-length": afterBytes + 1000 });
  res.flushHeaders();
  await new Promise<void>((resolve) => res.write(Buffer.alloc(afterBytes || 1, " "), () => resolve()));
  res.socket?.resetAndDestroy();
}
