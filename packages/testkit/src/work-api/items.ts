import { randomBytes, randomUUID } from "node:crypto";

export type ItemState = "queued" | "starting" | "active" | "stopping" | "stopped";

/** A work item as this server keeps it. */
export interface Item {
  readonly id: string;
  readonly data: { type: "session" | "healthcheck"; id: string };
  readonly metadata: Record<string, string>;
  state: ItemState;
  /** Of the newest poll that handed it out; an older one's token is dead. */
  token: string | undefined;
  /** Who may call about it: nobody, from when it was requeued until it is handed out again. */
  handedOutAt: number | undefined;
  beat: string;
  previous: { beat: string; until: number } | undefined;
  leaseUntil: number;
  times: Record<"created" | "acknowledged" | "started" | "beaten" | "asked" | "stopped", string | null>;
  /** How often a worker was given it. */
  claims: number;
  /** A worker lost it while it was running. */
  lost: number;
}

export function newItem(data: Item["data"], metadata: Record<string, string>): Item {
  const created = new Date().toISOString();
  return {
    id: `work_${randomUUID().replaceAll("-", "")}`,
    data,
    metadata,
    state: "queued",
    token: undefined,
    handedOutAt: undefined,
    beat: "NO_HEARTBEAT",
    previous: undefined,
    leaseUntil: 0,
    times: { created, acknowledged: null, started: null, beaten: null, asked: null, stopped: null },
    claims: 0,
    lost: 0,
  };
}

export interface ItemTimes {
  readonly ttlMs: number;
  readonly reclaimMs: number;
  /** For how long the beat before the last is taken again. 0: strict, the item is requeued at once. */
  readonly graceMs: number;
}

export const now = (): string => new Date().toISOString();

/** Puts back what nobody holds any more. */
export function reclaim(item: Item, { reclaimMs }: ItemTimes, at: number): void {
  if (item.state === "queued") {
    if (item.handedOutAt !== undefined && at - item.handedOutAt >= reclaimMs) release(item);
  } else if (item.state !== "stopped" && at >= item.leaseUntil) {
    item.lost += 1;
    if (item.state === "stopping") stop(item);
    else release(item);
  }
}

function release(item: Item): void {
  item.state = "queued";
  item.token = undefined;
  item.handedOutAt = undefined;
  item.beat = "NO_HEARTBEAT";
  item.previous = undefined;
}

export function handOut(item: Item, withToken: boolean, at: number): void {
  item.token = withToken ? `sk-ant-req-${randomBytes(24).toString("base64url")}` : undefined;
  item.handedOutAt = at;
  item.claims += 1;
}

/** The answer to a heartbeat; undefined for 412. */
export function heartbeat(
  item: Item,
  expected: string,
  { times, at }: { times: ItemTimes; at: number },
): object | undefined {
  if (item.state === "stopping" || item.state === "stopped") return beatAnswer(item, times, false);
  if (expected !== item.beat) {
    const again = item.previous?.beat === expected && at < item.previous.until;
    if (!again) {
      item.lost += 1;
      release(item);
      return undefined;
    }
    return beatAnswer(item, times, true);
  }
  item.previous = { beat: item.beat, until: at + times.graceMs };
  item.beat = `${now()}/${randomUUID()}`;
  item.leaseUntil = at + times.ttlMs;
  item.state = "active";
  item.times.started ??= now();
  item.times.beaten = now();
  return beatAnswer(item, times, true);
}

export function stop(item: Item): void {
  item.state = "stopped";
  item.times.stopped = now();
}

export function shown(item: Item, environment: string, secret: string | null): object {
  const { times } = item;
  return {
    id: item.id,
    type: "work",
    environment_id: environment,
    state: item.state,
    data: item.data,
    metadata: item.metadata,
    secret,
    created_at: times.created,
    acknowledged_at: times.acknowledged,
    started_at: times.started,
    latest_heartbeat_at: times.beaten,
    stop_requested_at: times.asked,
    stopped_at: times.stopped,
  };
}

function beatAnswer(item: Item, { ttlMs }: ItemTimes, extended: boolean): object {
  return {
    type: "work_heartbeat",
    last_heartbeat: item.beat,
    lease_extended: extended,
    state: item.state,
    ttl_seconds: Math.ceil(ttlMs / 1_000),
  };
}
