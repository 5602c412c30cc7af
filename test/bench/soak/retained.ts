import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { ZoneProcess } from "@sallyport/infra-local";

/** For the zones' own Node: lets `retainedBy` ask them. */
export const inspectable = ["--inspect=127.0.0.1:0"];

/** What a zone still holds once all that nobody can reach is collected. */
export interface Retained {
  /** JavaScript objects, whatever their size. */
  objects: number;
  /** Of V8's heap and of buffers outside it. */
  mebibytes: number;
}

/** Longer than a zone keeps spans and records before it sends them: thousands of objects that soon go. */
const windowMs = 3000;

/**
 * Asks a zone's inspector (Chrome DevTools Protocol); the zone itself has no part in it.
 * What is on its way out is not held: the least that is seen in a while counts.
 */
export async function retainedBy({ logFile }: ZoneProcess): Promise<Retained> {
  const [url] = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(readFileSync(logFile, "utf8")) ?? [];
  if (url === undefined)
    throw new Error(`${logFile}: no inspector listens; start the zone with ${inspectable}`);
  const socket = new WebSocket(url);
  try {
    await once(socket, "open");
    const ask = asker(socket);
    let least = await heldNow(ask);
    for (const began = performance.now(); performance.now() - began < windowMs; ) {
      const now = await heldNow(ask);
      if (now.objects < least.objects) least = now;
    }
    return least;
  } finally {
    socket.close();
  }
}

async function heldNow(ask: Ask): Promise<Retained> {
  // What is held by weak references goes one collection later.
  for (let time = 0; time < 3; time++) await ask("HeapProfiler.collectGarbage");
  const { usedSize, backingStorageSize } = await ask("Runtime.getHeapUsage");
  const { result } = await ask("Runtime.evaluate", { expression: "Object.prototype" });
  const { objects } = await ask("Runtime.queryObjects", { prototypeObjectId: result.objectId });
  const counted = await ask("Runtime.callFunctionOn", {
    ...{ objectId: objects.objectId, functionDeclaration: "function () { return this.length; }" },
    returnByValue: true,
  });
  for (const { objectId } of [result, objects]) await ask("Runtime.releaseObject", { objectId });
  return { objects: counted.result.value, mebibytes: (usedSize + backingStorageSize) / 1024 ** 2 };
}

/** As much of the protocol's answers as is read here. */
interface Answers {
  "HeapProfiler.collectGarbage": object;
  "Runtime.getHeapUsage": { usedSize: number; backingStorageSize: number };
  "Runtime.evaluate": { result: { objectId: string } };
  "Runtime.queryObjects": { objects: { objectId: string } };
  "Runtime.callFunctionOn": { result: { value: number } };
  "Runtime.releaseObject": object;
}

type Ask = <Method extends keyof Answers>(method: Method, params?: object) => Promise<Answers[Method]>;

interface Heard {
  id?: number;
  result?: object;
  error?: { message: string };
}

function asker(socket: WebSocket): Ask {
  let last = 0;
  const waiting = new Map<number, (heard: Heard) => void>();
  socket.addEventListener("message", ({ data }: MessageEvent) => {
    const heard = JSON.parse(String(data)) as Heard;
    waiting.get(heard.id ?? 0)?.(heard);
  });
  socket.addEventListener("close", () => {
    for (const hear of waiting.values()) hear({ error: { message: "the zone has ended" } });
  });
  return <Method extends keyof Answers>(method: Method, params = {}) => {
    const id = ++last;
    const { promise, resolve, reject } = Promise.withResolvers<Answers[Method]>();
    waiting.set(id, ({ result, error }) => {
      waiting.delete(id);
      if (result === undefined) reject(new Error(`${method}: ${error?.message}`));
      else resolve(result as Answers[Method]);
    });
    socket.send(JSON.stringify({ id, method, params }));
    return promise;
  };
}
