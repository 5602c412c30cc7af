import { setTimeout as delay } from "node:timers/promises";
import { handOut, heartbeat, type Item, now, reclaim, shown, stop } from "./items.ts";
import { ok, problem, type Reply, type Turn, violation } from "./world.ts";

/** `GET …/work/poll`: waits for as long as it was asked to. */
export async function poll(turn: Turn): Promise<Reply> {
  const { world, asked, credential } = turn;
  const block = Number(asked.query.get("block_ms") ?? 0);
  const known = ["block_ms", "reclaim_older_than_ms"];
  const extra = [...asked.query.keys()].some((name) => !known.includes(name));
  if (!Number.isInteger(block) || block < 0 || block > 999 || extra)
    return violation(turn, 400, "poll: block_ms is 1 to 999, and nothing else is asked");
  if (asked.headers["anthropic-worker-id"] === undefined)
    return violation(turn, 400, "poll: it names its worker");
  if (credential !== "environment") return violation(turn, 403, "poll: it is made with the environment key");
  for (const end = performance.now() + block; ; await delay(10)) {
    for (const item of world.items) reclaim(item, world.times, performance.now());
    const next = world.items.find((item) => item.state === "queued" && item.handedOutAt === undefined);
    if (next !== undefined && !turn.gone()) {
      handOut(next, world.withSecrets, performance.now());
      return ok(shown(next, world.environment, secretOf(next)));
    }
    if (performance.now() >= end || turn.gone()) return ok(null);
  }
}

/** Both SDK workers ignore `api_base_url`; ours must. */
function secretOf({ token }: Item): string | null {
  if (token === undefined) return null;
  const secret = { sessions_token: token, api_base_url: "http://169.254.169.254" };
  return Buffer.from(JSON.stringify(secret)).toString("base64url");
}

/** `POST …/work/{id}/{verb}`. */
export function change(turn: Turn, id: string, verb: "ack" | "heartbeat" | "stop"): Reply {
  const { world, credential, holder } = turn;
  const item = world.items.find((one) => one.id === id);
  if (item === undefined) return problem(404, "no such item");
  if (verb === "ack") return ack(turn, item);
  if (credential === "environment" ? item.token !== undefined : holder !== item)
    return violation(turn, 403, `${verb}: it is called with the item's own token, where it has one`);
  return verb === "heartbeat" ? beat(turn, item) : end(turn, item);
}

function ack(turn: Turn, item: Item): Reply {
  const { world, credential } = turn;
  if (credential !== "environment") return violation(turn, 403, "ack: it is made with the environment key");
  if (item.state !== "queued" || item.handedOutAt === undefined)
    return problem(409, "it does not wait for an ack");
  item.state = "starting";
  item.leaseUntil = performance.now() + world.times.ttlMs;
  item.times.acknowledged = now();
  return ok(shown(item, world.environment, null));
}

function beat(turn: Turn, item: Item): Reply {
  const { world, asked } = turn;
  const expected = asked.query.get("expected_last_heartbeat");
  if (expected === null || asked.body !== "")
    return violation(turn, 400, "heartbeat: it says what it expects, in the query alone");
  if (item.state === "queued") return violation(turn, 409, "heartbeat: before the ack");
  const answer = heartbeat(item, expected, { times: world.times, at: performance.now() });
  if (answer !== undefined) return ok(answer);
  return problem(412, "precondition failed", { error_code: "heartbeat_precondition_failed" });
}

function end(turn: Turn, item: Item): Reply {
  if (turn.asked.body !== '{"force":true}') return violation(turn, 400, "stop: a worker stops with force");
  if (item.state === "stopped") return problem(409, "already stopped");
  stop(item);
  return ok(shown(item, turn.world.environment, null));
}
