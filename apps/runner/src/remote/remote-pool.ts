import { randomBytes } from "node:crypto";
import { ServiceError, WorkAnswer, type WorkQuestion } from "@sallyport/contracts";
import type { RemoteBench } from "../mcp/bench.ts";
import type { Caller, Sandboxes } from "../mcp/sandboxes.ts";
import { contextOf } from "../sandboxes/call-context.ts";
import { SandboxGone } from "../sandboxes/sandbox-gone.ts";
import { failure } from "../tools/define-tool.ts";

export interface RemotePoolDeps {
  /** In front of every handle, so that an edge finds the way. */
  runner: string;
  /** Sessions at once. */
  sessions: number;
  idleMs: number;
  /** The session is over: nobody is to find it by its handle any more. */
  ended(handle: string): void;
  log: { warn(fields: object, message: string): void };
}

interface RemoteSession {
  principal: string;
  pool: string;
  usedAt: number;
  calls: number;
}

/** What the official worker has. A call of anything else would wait for somebody who does not come. */
const workersTools: ReadonlySet<string> = new Set(["bash", "read", "write", "edit", "glob", "grep"]);

/**
 * Sessions whose tools are run by workers outside. Nothing runs here: each call has passed the gate, and is then asked of
 * the edge that brought it, whose work API has the worker.
 */
export class RemotePool implements Sandboxes {
  readonly #deps: RemotePoolDeps;
  readonly #sessions = new Map<string, RemoteSession>();
  readonly #sweep: NodeJS.Timeout;

  constructor(deps: RemotePoolDeps) {
    this.#deps = deps;
    this.#sweep = setInterval(() => this.#endIdle(), Math.max(100, deps.idleMs / 10));
  }

  async open({ principal, pool }: Caller): Promise<string> {
    const { runner, sessions } = this.#deps;
    if (this.#sessions.size >= sessions)
      throw new ServiceError("exhausted", `there are ${sessions} sessions here already; end one`);
    const handle = `${runner}.${randomBytes(24).toString("base64url")}`;
    this.#sessions.set(handle, { principal, pool, usedAt: performance.now(), calls: 0 });
    return handle;
  }

  async use(handle: string, caller: Caller): Promise<RemoteBench> {
    const session = this.#find(handle, caller);
    return {
      call: async (tool, input, signal) => {
        if (!workersTools.has(tool)) return failure(`${tool}: the workers of this pool have no such tool`);
        session.usedAt = performance.now();
        session.calls += 1;
        try {
          const question = {
            do: "call",
            session: handle,
            tool,
            input: input as Record<string, unknown>,
          } as const;
          const answer = await unlessAborted(asked(caller, question), signal);
          if (answer.outcome === "answered") return answer;
          if (answer.outcome === "failed") throw failed(answer);
          throw new SandboxGone();
        } finally {
          session.calls -= 1;
          session.usedAt = performance.now();
        }
      },
    };
  }

  async end(handle: string, caller: Caller): Promise<void> {
    this.#find(handle, caller);
    this.#sessions.delete(handle);
    this.#deps.ended(handle);
  }

  /** Tells the edge that a session has ended, in the course of the call that has ended it. */
  async forget(handle: string, caller: Caller): Promise<void> {
    try {
      await asked(caller, { do: "end", session: handle });
    } catch (error) {
      this.#deps.log.warn({ err: error }, "an edge was not told that a session has ended; it will find out");
    }
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const handle of this.#sessions.keys()) this.#deps.ended(handle);
    this.#sessions.clear();
  }

  /** Another's, an unknown one and one that ended are told alike. */
  #find(handle: string, { principal, pool }: Caller): RemoteSession {
    const session = this.#sessions.get(handle);
    if (session === undefined || session.principal !== principal || session.pool !== pool)
      throw new SandboxGone();
    return session;
  }

  #endIdle(): void {
    for (const [handle, { usedAt, calls }] of this.#sessions) {
      if (calls > 0 || performance.now() - usedAt < this.#deps.idleMs) continue;
      this.#sessions.delete(handle);
      this.#deps.ended(handle);
    }
  }
}

async function asked(caller: Caller, question: WorkQuestion): Promise<WorkAnswer> {
  const context = contextOf(caller);
  if (context === undefined) throw new ServiceError("internal", "a call that came by no exchange");
  const answer = await context.ask(Buffer.from(JSON.stringify(question)));
  const read = WorkAnswer.safeParse(parsed(answer));
  if (!read.success) throw new ServiceError("unavailable", "the edge's answer is not understood");
  return read.data;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  } catch {
    return undefined;
  }
}

/** A session that the edge does not know any more is gone, with whatever its worker had. */
function failed({ code, message }: WorkAnswer & { outcome: "failed" }): Error {
  return code === "not_found" ? new SandboxGone() : new ServiceError(code, message);
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => undefined);
  }
}
