import type { WorkItem } from "@sallyport/contracts";
import { ApiFailure } from "./api-failure.ts";
import type { Worker } from "./authenticate.ts";
import type { Claim } from "./claim.ts";
import type { Environments } from "./environments.ts";

export interface WorkAsk {
  environments: Environments;
  environment: string;
  worker: Worker;
  query: URLSearchParams;
  /** `Anthropic-Worker-ID`. */
  workerId: string;
  body: unknown;
  /** Aborts when the caller has gone. */
  signal: AbortSignal;
}

const number = /^\d{1,9}$/;

/** `GET …/work/poll`. A worker that names no time is answered at once. */
export async function poll(ask: WorkAsk): Promise<object | null> {
  const { environments, environment, query } = ask;
  const key = keyOf(ask);
  const block = query.get("block_ms") ?? "0";
  const older = query.get("reclaim_older_than_ms") ?? "0";
  if (!number.test(block) || Number(block) > 999 || !number.test(older))
    throw new ApiFailure(400, "block_ms is 1 to 999, reclaim_older_than_ms a number");
  const by = { key, worker: ask.workerId.slice(0, 128), waitMs: Number(block), signal: ask.signal };
  const found = await environments.poll(environment, by);
  if (found === undefined) return null;
  const secret = Buffer.from(JSON.stringify({ sessions_token: found.token })).toString("base64url");
  return shown(found.item, secret);
}

/** `GET …/work/stats`. */
export function stats(ask: WorkAsk): object {
  const { environments, environment } = ask;
  keyOf(ask);
  const queued = environments.list(environment).filter(({ state }) => state === "queued");
  return {
    type: "work_queue_stats",
    depth: queued.filter(({ lease }) => lease === undefined).length,
    pending: queued.filter(({ lease }) => lease !== undefined).length,
    oldest_queued_at: queued[0]?.createdAt ?? null,
    workers_polling: environments.workersPolling(environment),
  };
}

/** `GET …/work`: the newest hundred. */
export function list(ask: WorkAsk): object {
  keyOf(ask);
  const items = ask.environments.list(ask.environment).slice(-100);
  return { data: items.map((item) => shown(item, null)), next_page: null };
}

/** `GET …/work/{id}`. */
export function retrieve(ask: WorkAsk, id: string): object {
  return shown(itemOf(ask, id), null);
}

/** `POST …/work/{id}/ack|heartbeat|stop`. */
export function change(ask: WorkAsk, id: string, verb: "ack" | "heartbeat" | "stop"): object {
  const { environments } = ask;
  itemOf(ask, id);
  const claim = claimOf(ask, id, verb);
  if (verb === "ack") return shown(environments.ack(id, claim), null);
  if (verb === "heartbeat") {
    const expected = ask.query.get("expected_last_heartbeat");
    if (expected === null || expected.length > 64)
      throw new ApiFailure(400, "expected_last_heartbeat is the value of the last answer, or NO_HEARTBEAT");
    const { item, ttlSeconds } = environments.heartbeat(id, claim, expected);
    return {
      type: "work_heartbeat",
      last_heartbeat: item.lease?.beat ?? "",
      lease_extended: item.state === "active",
      state: item.state,
      ttl_seconds: ttlSeconds,
    };
  }
  const force = (ask.body as { force?: unknown } | undefined)?.force ?? false;
  if (typeof force !== "boolean") throw new ApiFailure(400, "force is true or false");
  return shown(environments.stop(id, claim, force), null);
}

function keyOf({ worker, environment }: WorkAsk): string {
  if (worker.by !== "key" || worker.key.environment !== environment)
    throw new ApiFailure(403, "this is called with the environment's own key");
  return worker.key.id;
}

function itemOf(ask: WorkAsk, id: string): WorkItem {
  const { worker, environments, environment } = ask;
  if (worker.by === "key") keyOf(ask);
  else if (worker.item !== id) throw new ApiFailure(403, "this is another item's token");
  const item = environments.item(id);
  if (item?.pool !== environment) throw new ApiFailure(404, "there is no such work item");
  return item;
}

/** The claim on whose strength it is asked. With the environment key that is the newest, where that key has made it. */
function claimOf({ worker, environments }: WorkAsk, id: string, verb: string): Claim {
  if (worker.by === "item") {
    if (verb === "ack") throw new ApiFailure(403, "an item is acknowledged with the environment key");
    return worker.claim;
  }
  const claim = environments.claimOf(id);
  if (claim?.key !== worker.key.id) throw new ApiFailure(409, "the item is not held with this key");
  return claim;
}

function shown(item: WorkItem, secret: string | null): object {
  return {
    id: item.id,
    type: "work",
    environment_id: item.pool,
    state: item.state,
    data: item.data,
    metadata: item.metadata,
    secret,
    created_at: item.createdAt,
    acknowledged_at: item.acknowledgedAt ?? null,
    started_at: item.startedAt ?? null,
    latest_heartbeat_at: item.latestHeartbeatAt ?? null,
    stop_requested_at: item.stopRequestedAt ?? null,
    stopped_at: item.stoppedAt ?? null,
  };
}
