import type { ServerResponse } from "node:http";
import type { RemoteSession, SessionEvent } from "./remote-session.ts";

const pingMs = 15_000;
const maxWaitingBytes = 4 * 1024 * 1024;

/**
 * A session's events from now on. Each frame has its `event:` line: both SDKs drop one without. A reader that does not
 * read is cut off; it comes back, and reads the history. `stillMay` is asked before every frame.
 */
export function streamEvents(
  session: RemoteSession,
  response: ServerResponse,
  stillMay: () => boolean,
): void {
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  const write = (name: string, data: string) => {
    if (!stillMay() || response.writableLength > maxWaitingBytes) response.destroy();
    else response.write(`event: ${name}\ndata: ${data}\n\n`);
  };
  const stop = session.listen({
    event: (event: SessionEvent) => write(event.type, JSON.stringify(event)),
    end: () => response.end(),
  });
  const ping = setInterval(() => write("ping", '{"type":"ping"}'), pingMs);
  response.on("close", () => {
    clearInterval(ping);
    stop();
  });
  write("ping", '{"type":"ping"}');
  if (session.status === "terminated") response.end();
}
