import { ApiFailure } from "./api-failure.ts";
import type { Worker } from "./authenticate.ts";
import type { Environments } from "./environments.ts";
import type { RemoteSession } from "./remote-session.ts";
import { PostedEvents, ToolAnswer } from "./tool-answer.ts";

/** The session, for the worker that holds its item now. Whoever lost it learns nothing more and can say nothing more. */
export function heldSession(environments: Environments, id: string, worker: Worker): RemoteSession {
  const session = environments.session(id);
  const item = session?.item;
  if (session === undefined) throw new ApiFailure(404, "there is no such session");
  const claim = item === undefined ? undefined : environments.claimOf(item);
  const own =
    worker.by === "item" ? worker.item === item && worker.claim === claim : worker.key.id === claim?.key;
  if (!own) throw new ApiFailure(403, "the session is not this worker's");
  return session;
}

/** `GET /v1/sessions/{id}`. */
export function retrieveSession({ id, status, environment, createdAt }: RemoteSession): object {
  return {
    ...{ type: "session", id, status, environment_id: environment, created_at: createdAt },
    ...{ title: null, metadata: {}, resources: [], vault_ids: [] },
    agent: { type: "agent", id: "sallyport", name: "sallyport", version: 1, skills: [], tools: [] },
  };
}

/** `GET …/events`: ascending. */
export function history(session: RemoteSession, query: URLSearchParams): object {
  const limit = Number(query.get("limit") ?? 100);
  const after = Number(query.get("page") ?? 0);
  if (!Number.isInteger(limit) || limit < 1 || limit > 1_000 || !Number.isInteger(after))
    throw new ApiFailure(400, "limit is 1 to 1000, page what the last answer said");
  const { events, next } = session.page(after, limit);
  return { data: events, next_page: next === undefined ? null : String(next) };
}

/** `POST …/events`: results, and nothing else: a worker is not the agent. */
export function postEvents(session: RemoteSession, held: boolean, body: unknown): object {
  if (!held) throw new ApiFailure(403, "the lease of this session's item is lost");
  const posted = PostedEvents.safeParse(body);
  if (!posted.success) throw new ApiFailure(400, "events are results of tool uses, 1 to 16");
  const results = posted.data.events.map(({ tool_use_id, is_error, content }) => {
    const answer = ToolAnswer.safeParse({ is_error, content });
    if (!answer.success)
      throw new ApiFailure(400, "a result has blocks of text or images, none of them empty");
    return { id: tool_use_id, answer: answer.data };
  });
  return { data: results.map(({ id, answer }) => session.answer(id, answer)) };
}
