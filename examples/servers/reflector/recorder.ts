import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";

const KEPT_REQUESTS = 100;

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What arrived. A test that expects a refusal checks here that nothing did. */
export interface Seen {
  readonly requests: number;
  /** Responses whose client went away before their end. */
  readonly aborted: number;
  /** Responses under way. */
  readonly open: number;
  /** How often each tool was called. */
  readonly calls: Readonly<Record<string, number>>;
  /** The last requests, oldest first. Only in process: they hold credentials. */
  readonly recent: readonly SeenRequest[];
}

export interface Recorder {
  arrived(res: ServerResponse): void;
  read(req: IncomingMessage, body: string): void;
  called(tool: string): void;
  seen(): Seen;
}

export function newRecorder(): Recorder {
  const counts = { requests: 0, aborted: 0, open: 0 };
  const calls = new Map<string, number>();
  const recent: SeenRequest[] = [];
  return {
    arrived(res) {
      counts.requests += 1;
      counts.open += 1;
      res.once("close", () => {
        counts.open -= 1;
        if (!res.writableFinished) counts.aborted += 1;
      });
    },
    read(req, body) {
      recent.push({ method: req.method ?? "", path: req.url ?? "", headers: req.headers, body });
      if (recent.length > KEPT_REQUESTS) recent.shift();
    },
    called: (tool) => void calls.set(tool, (calls.get(tool) ?? 0) + 1),
    seen: () => ({ ...counts, calls: Object.fromEntries(calls), recent: [...recent] }),
  };
}
