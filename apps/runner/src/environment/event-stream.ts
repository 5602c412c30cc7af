import { SseSplitter, sseData } from "@sallyport/mcp";
import { ApiError } from "./api-error.ts";
import { readEvent, type SessionEvent } from "./api-shapes.ts";

const maxEventBytes = 8 * 1024 * 1024;

/**
 * The events of a stream, wherever its bytes are cut. As both SDKs do: a frame without an `event:` line is dropped, `ping`
 * skipped, and `error` ends the reading. Throws ApiError `passing`: the stream is to be opened again.
 */
export async function* eventsOf(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<SessionEvent, void, undefined> {
  const splitter = new SseSplitter({ maxEventBytes });
  for await (const chunk of body) {
    // Copied: the splitter keeps what is not whole yet, and the socket writes over its memory.
    const step = splitter.push(Uint8Array.from(chunk));
    if (!step.ok) throw new ApiError("passing", "an event of the session is too large");
    for (const { raw } of step.events) {
      const name = eventName(raw);
      if (name === "error") throw new ApiError("passing", "the stream of events reported an error");
      const data = name === undefined || name === "ping" ? undefined : sseData(raw);
      const event = data === undefined ? undefined : readEvent(parsed(data));
      if (event !== undefined) yield event;
    }
  }
}

function eventName(raw: Uint8Array): string | undefined {
  const text = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString("utf8");
  return (
    /^\ufeff?event: ?([^\r\n]+)[\r\n]/.exec(text)?.[1] ?? /[\r\n]event: ?([^\r\n]+)[\r\n]/.exec(text)?.[1]
  );
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return undefined;
  }
}
