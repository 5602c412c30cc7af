import { withoutEscapes } from "@sallyport/sandbox-agent";
import type { ToolCall } from "./tool.ts";

const everyMs = 1_000;
const tailBytes = 512;

/**
 * Tells once a second how much a command has written and its last lines, for as long as it runs: a client that waits
 * sees that it lives, even when it writes nothing.
 */
export function watchOutput({ progress }: ToolCall): {
  heard(bytes: number, latest: Buffer): void;
  stop(): void;
} {
  if (progress === undefined) return { heard: () => {}, stop: () => {} };
  const began = performance.now();
  let bytes = 0;
  let tail = Buffer.alloc(0);
  const clock = setInterval(() => {
    progress({ bytes, tail: lastLines(tail), elapsedMs: Math.round(performance.now() - began) });
  }, everyMs);
  return {
    heard: (sum, latest) => {
      bytes = sum;
      tail = Buffer.concat([tail, latest.subarray(-tailBytes)]).subarray(-tailBytes);
    },
    stop: () => clearInterval(clock),
  };
}

/** From the first whole line that is still there. */
function lastLines(tail: Buffer): string {
  const start = tail.length < tailBytes ? 0 : tail.indexOf(10) + 1;
  return withoutEscapes(tail.subarray(start).toString("utf8")).trimEnd();
}
