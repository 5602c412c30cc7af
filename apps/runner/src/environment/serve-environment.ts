import { readFile } from "node:fs/promises";
import { openUpstream, parseTarget, type Resolver, systemResolver } from "@sallyport/egress";
import type { ToolGate } from "@sallyport/gate";
import type { Tool } from "../tools/tool.ts";
import { ApiError } from "./api-error.ts";
import type { PolledItem } from "./api-shapes.ts";
import { backoffMs, pause } from "./backoff.ts";
import { serveItem } from "./serve-item.ts";
import type { SessionSandboxes } from "./session-sandbox.ts";
import type { EnvironmentSettings } from "./settings.ts";
import { WorkApi } from "./work-api.ts";

const afterFailure = { firstMs: 1_000, mostMs: 60_000 };
/** Between two polls that gave nothing; many workers ask. */
const emptyMs = () => 1_000 + Math.random() * 2_000;

export interface EnvironmentDeps {
  settings: EnvironmentSettings;
  /** Names this worker to the API; new at each start. */
  worker: string;
  version: string;
  tools: ReadonlyMap<string, Tool>;
  gate: ToolGate;
  sandboxes: SessionSandboxes;
  resolver?: Resolver;
  log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
}

export interface Environment {
  /** Why no sessions are taken now; undefined when they are. */
  problem(): string | undefined;
  /** Sessions in progress. */
  readonly size: number;
  /** Takes no more, lets the calls that run end within `drain`, and leaves what is not done to the queue. */
  close(): Promise<void>;
}

/** Polls an environment for sessions, and serves them in this runner's sandboxes, until it is closed. */
export async function serveEnvironment(deps: EnvironmentDeps): Promise<Environment> {
  const { settings, log } = deps;
  const { environment, sessions } = settings;
  const target = parseTarget(settings.baseUrl);
  const ca = settings.caFile === undefined ? undefined : await readFile(settings.caFile, "utf8");
  const upstream = openUpstream(target, {
    partition: `environment/${environment}`,
    resolver: deps.resolver ?? systemResolver,
    tls: ca === undefined ? undefined : { ca },
    limits: {
      // A session has its stream, its heartbeat, and one call more.
      connections: 3 * sessions + 2,
      connectTimeoutMs: 10_000,
      headersTimeoutMs: 30_000,
      maxHeaderBytes: 32 * 1024,
      keepAliveMs: 30_000,
    },
  });
  const draining = new AbortController();
  const cut = new AbortController();
  const api = new WorkApi({
    ...{ environment, target, upstream, worker: deps.worker, version: deps.version },
    environmentKey: async () => (await settings.keyFile.read()).revealText(),
  });
  const running = new Set<Promise<void>>();
  let problem: string | undefined = `environment ${environment} has not been asked for work yet`;

  const serve = (item: PolledItem) => {
    const work = serveItem(
      {
        ...{ api, environment, pool: settings.pool, tools: deps.tools, gate: deps.gate, log },
        ...{ sandboxes: deps.sandboxes, draining: draining.signal, cut: cut.signal },
        agent: settings.agent ?? environment,
        maxIdleMs: settings.maxIdle,
        toolMs: settings.toolTime,
      },
      item,
    ).finally(() => running.delete(work));
    running.add(work);
  };

  const polling = (async () => {
    let failures = 0;
    while (!draining.signal.aborted) {
      if (running.size >= sessions) {
        await Promise.race([...running, pause(60_000, draining.signal)]);
        continue;
      }
      try {
        const item = await api.poll(draining.signal);
        failures = 0;
        problem = undefined;
        if (item !== undefined) serve(item);
        else await pause(emptyMs(), draining.signal);
      } catch (error) {
        if (draining.signal.aborted) return;
        problem = problemOf(environment, error);
        log.warn({ err: error, environment }, problem);
        if (isOff(error)) return;
        await pause(retryAfter(error) ?? backoffMs(failures, afterFailure), draining.signal);
        failures += 1;
      }
    }
  })();

  const close = async () => {
    draining.abort(new Error("the runner is closing"));
    await polling;
    const clock = setTimeout(() => cut.abort(new Error("the runner is closing")), settings.drain);
    await Promise.all(running);
    clearTimeout(clock);
    await upstream.close();
  };
  let closing: Promise<void> | undefined;

  return {
    problem: () => (draining.signal.aborted ? `environment ${environment} is closing` : problem),
    get size() {
      return running.size;
    },
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** A wrong key or environment does not get better by asking: no more is asked until the runner is started again. */
function isOff(error: unknown): boolean {
  return error instanceof ApiError && error.fatal;
}

function problemOf(environment: string, error: unknown): string {
  const why = error instanceof ApiError ? error.message : "its key file cannot be read";
  return isOff(error)
    ? `environment ${environment} is off: ${why}; check its keyFile, environment and baseUrl, and start the runner again`
    : `environment ${environment} cannot be asked for work: ${why}`;
}

function retryAfter(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfterMs : undefined;
}
