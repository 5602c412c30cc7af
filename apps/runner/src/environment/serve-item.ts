import type { ToolGate } from "@sallyport/gate";
import type { Tool } from "../tools/tool.ts";
import { ApiError } from "./api-error.ts";
import { type PolledItem, type ToolUse, tokenOf } from "./api-shapes.ts";
import { ItemLease } from "./item-lease.ts";
import { failure, resultEvent, runCall } from "./run-call.ts";
import { type RunAbout, serveSession } from "./serve-session.ts";
import { goneText, SandboxOfSession, type SessionSandboxes } from "./session-sandbox.ts";
import { type SessionTrace, startSessionTrace } from "./session-trace.ts";
import type { ItemApi, WorkApi } from "./work-api.ts";

export interface ServeItemDeps {
  api: Pick<WorkApi, "ack" | "item">;
  environment: string;
  agent: string;
  pool: string;
  maxIdleMs: number;
  toolMs: number;
  tools: ReadonlyMap<string, Tool>;
  gate: ToolGate;
  sandboxes: SessionSandboxes;
  /** Aborts when no call may begin any more. */
  draining: AbortSignal;
  /** Aborts when calls that run are broken off. */
  cut: AbortSignal;
  log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

/** One item that a poll gave, from its ack to its stop. Never rejects: what fails here fails this item. */
export async function serveItem(deps: ServeItemDeps, item: PolledItem): Promise<void> {
  const { log, environment } = deps;
  const about = { item: item.id, type: item.data.type };
  if (item.environment_id !== environment) {
    log.warn(about, "a work item of another environment was not taken");
    return;
  }
  try {
    await deps.api.ack(item, deps.draining);
  } catch (error) {
    log.warn({ ...about, err: error }, "a work item was not acknowledged, and is not served");
    return;
  }
  const token = tokenOf(item.secret);
  if (token === undefined && typeof item.secret === "string")
    log.warn(about, "a work item's secret cannot be read; the environment key is used");
  const api = deps.api.item(item, token);
  log.info(about, "a work item was claimed");
  try {
    // Anything but a session asks only whether somebody is there.
    const mine = item.data.type !== "session" || (await underLease(deps, item, api));
    if (mine) await api.stop();
  } catch (error) {
    const stopped = error instanceof ApiError && error.code === "conflict";
    if (!stopped) log.warn({ ...about, err: error }, "a work item could not be ended");
  }
}

/** Whether the item is this worker's to stop. One that is not, or whose session goes on elsewhere, is left to the queue. */
async function underLease(deps: ServeItemDeps, item: PolledItem, api: ItemApi): Promise<boolean> {
  const lease = new ItemLease({ api, log: deps.log });
  if (!(await lease.begin())) return lease.end !== "lost";
  const keeping = lease.keep();
  const { environment } = deps;
  const trace = startSessionTrace({ environment, item: item.id, metadata: item.metadata });
  const sandbox = new SandboxOfSession(() =>
    deps.sandboxes.open({ agent: deps.agent, pool: deps.pool, item: item.id, session: item.data.id }),
  );
  try {
    const end = await serveSession({
      ...{ api, session: item.data.id, maxIdleMs: deps.maxIdleMs, draining: deps.draining, log: deps.log },
      lease: {
        signal: AbortSignal.any([lease.signal, deps.cut]),
        get ttlMs() {
          return lease.ttlMs;
        },
      },
      owns: (call) => deps.tools.has(call.name),
      run: callRunner(deps, { item, sandbox, trace }),
    }).catch((error: unknown) => {
      deps.log.warn({ item: item.id, err: error }, "a session could not be served");
      return error instanceof ApiError && !error.fatal ? "left" : "over";
    });
    if (lease.end !== undefined) return lease.end !== "lost";
    return end === "over";
  } finally {
    // While the lease holds: nobody else has a sandbox for this session until nothing of this one is left.
    await sandbox.close().catch((error: unknown) => {
      deps.log.warn({ item: item.id, err: error }, "a session's sandbox could not be put away");
    });
    lease.release();
    await keeping;
    trace.end();
  }
}

function callRunner(
  deps: ServeItemDeps,
  of: { item: PolledItem; sandbox: SandboxOfSession; trace: SessionTrace },
): (call: ToolUse, about: RunAbout) => Promise<object> {
  const { item, sandbox, trace } = of;
  let told = false;
  return async (call, { answeredBefore, signal }) => {
    // What those calls have made is not here. Run in a fresh sandbox in silence, this one would be a lie.
    if (answeredBefore && !told) {
      told = true;
      const { event, isError } = failure(goneText);
      return resultEvent(call, event, isError);
    }
    told = true;
    const span = trace.call(call.name);
    const { event, isError } = await runCall(
      {
        ...{ tools: deps.tools, gate: deps.gate, toolMs: deps.toolMs, log: deps.log },
        who: { agent: deps.agent, server: deps.pool, session: item.data.id },
        bench: () => sandbox.bench(),
      },
      call,
      { signal, traceId: span.traceId },
    );
    span.end(isError);
    return event;
  };
}
