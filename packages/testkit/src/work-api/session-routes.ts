import { brokenByResult } from "./checks.ts";
import type { Session } from "./session.ts";
import { ok, type Reply, type Turn, violation } from "./world.ts";

/** `GET /v1/sessions/{id}`. */
export function retrieve({ world }: Turn, { id, status, resources }: Session): Reply {
  const agent = { type: "agent", id: "agent_1", version: 1, name: "test", skills: [] };
  return ok({
    type: "session",
    id,
    status,
    resources,
    agent,
    metadata: {},
    environment_id: world.environment,
  });
}

/** `GET …/events`: ascending, in pages. */
export function history(turn: Turn, { events }: Session): Reply {
  const { world, asked } = turn;
  const limit = Number(asked.query.get("limit"));
  if (!(limit >= 1 && limit <= 1_000)) return violation(turn, 400, "history: limit is 1 to 1000");
  const from = Number(asked.query.get("page") ?? 0);
  const to = from + Math.min(limit, world.pageSize);
  return ok({ data: events.slice(from, to), next_page: to < events.length ? String(to) : null });
}

/** `POST …/events`: one result, for a call that is open and was allowed. */
export function post(turn: Turn, session: Session): Reply {
  const refuse = (why: string) => violation(turn, 400, `result: ${why}`);
  const { events } = JSON.parse(turn.asked.body) as { events?: unknown };
  if (!Array.isArray(events) || events.length !== 1) return refuse("one event at a time");
  const result = events[0] as Record<string, unknown>;
  const broken = brokenByResult(result);
  if (broken.length > 0) return refuse(broken.join("; "));
  const id = result.tool_use_id ?? result.custom_tool_use_id;
  const use = session.events.find((event) => event.id === id);
  const wanted = result.type === "user.tool_result" ? "agent.tool_use" : "agent.custom_tool_use";
  if (use?.type !== wanted) return refuse(`a ${String(result.type)} for ${use?.type ?? "nothing"}`);
  if (session.answerOf(use.id) !== undefined) return refuse("answered twice");
  const verdict = session.events.find(
    (event) => event.type === "user.tool_confirmation" && event.tool_use_id === id,
  );
  const permission = use.evaluated_permission ?? "allow";
  if (permission === "deny" || (permission !== "allow" && verdict?.result !== "allow"))
    return refuse("for a call that was not allowed");
  const { type, ...fields } = result;
  return ok({ data: [session.emit(String(type), fields)] });
}
