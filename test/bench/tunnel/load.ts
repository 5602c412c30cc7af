import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";

export interface Target {
  url: string;
  headers: Record<string, string>;
}

export interface Sample {
  calls: number;
  seconds: number;
  /** Microseconds, sorted. */
  latencies: number[];
}

/** Calls a target for `seconds` with so many calls in flight, and checks every answer. */
export async function load(
  target: Target,
  options: { concurrency: number; size: number; seconds: number; maxCalls: number },
): Promise<Sample> {
  const url = new URL(target.url);
  const pool = new Pool(url.origin, { connections: options.concurrency, pipelining: 1 });
  const latencies: number[] = [];
  const began = performance.now();
  const until = began + options.seconds * 1000;
  let id = 0;
  const worker = async () => {
    while (performance.now() < until && id < options.maxCalls) {
      id += 1;
      const startedAt = performance.now();
      await call(pool, url.pathname, { target, id, size: options.size });
      latencies.push((performance.now() - startedAt) * 1000);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  const seconds = (performance.now() - began) / 1000;
  await pool.close();
  return { calls: latencies.length, seconds, latencies: latencies.sort((a, b) => a - b) };
}

function call(pool: Pool, path: string, ask: { target: Target; id: number; size: number }): Promise<void> {
  const body = JSON.stringify({
    jsonrpc: "2.0",
    id: ask.id,
    method: "tools/call",
    params: { name: "echo", arguments: { size: ask.size, note: "a call of the bench" } },
  });
  return new Promise((resolve, reject) => {
    let status = 0;
    let bytes = 0;
    pool.dispatch(
      {
        path,
        method: "POST",
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...ask.target.headers,
        },
        body,
      },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, code) => {
          status = code;
        },
        onResponseData: (_controller, chunk) => {
          bytes += chunk.length;
        },
        onResponseEnd: () => {
          if (status === 200 && bytes > ask.size) resolve();
          else
            reject(new Error(`a call to ${ask.target.url} was answered with ${status} and ${bytes} bytes`));
        },
        onResponseError: (_controller, error) => reject(error),
      },
    );
  });
}

/** One call whose trace the agent began. */
export async function tracedCall(pool: Pool, target: Target, traceparent: string): Promise<void> {
  const url = new URL(target.url);
  await call(pool, url.pathname, {
    target: { ...target, headers: { ...target.headers, traceparent } },
    id: 1,
    size: 64,
  });
}

/** Microseconds until the first event of a stream, which is then closed. */
export async function firstEvent(target: Target): Promise<number> {
  const stream = await openStream(target);
  stream.close();
  // Taking a stream down is work too, and none of the next one's: the bare relay does not even do it.
  await sleep(20);
  return stream.firstEventAfter;
}

/** Opens an event stream and waits for its first event. */
export async function openStream(target: Target): Promise<{ firstEventAfter: number; close(): void }> {
  const startedAt = performance.now();
  const abort = new AbortController();
  const response = await fetch(target.url, {
    headers: { accept: "text/event-stream", ...target.headers },
    signal: abort.signal,
  });
  if (!response.ok) throw new Error(`a stream was answered with ${response.status}`);
  const reader = response.body?.getReader();
  await reader?.read();
  reader?.closed.catch(() => undefined);
  return { firstEventAfter: (performance.now() - startedAt) * 1000, close: () => abort.abort() };
}
