import { refusal } from "./http-refusal.ts";

/**
 * The ids of one session's requests that are not answered yet. Two with the same id cannot be told apart: the official
 * transport would send both answers down the later one's stream, and leave the earlier one waiting for ever.
 */
export class IdsInUse {
  readonly #ids = new Set<unknown>();

  /** Takes the ids of a message, or of all in a batch, until `over`; or names one that is taken, and takes none. */
  take(body: unknown): { over(): void } | { inUse: unknown } {
    const ids = idsOf(body);
    const inUse = ids.find((id) => this.#ids.has(id));
    if (inUse !== undefined) return { inUse };
    for (const id of ids) this.#ids.add(id);
    return { over: () => ids.forEach((id) => void this.#ids.delete(id)) };
  }
}

/** JSON-RPC 2.0, Invalid Request. MCP: an id must not have been used before by the same requestor within the session. */
export function sameId(id: unknown): Response {
  return refusal(
    400,
    -32_600,
    "a request with this id is still being answered in this session; use another id",
    id,
  );
}

function idsOf(body: unknown): unknown[] {
  const messages = (Array.isArray(body) ? body : [body]) as ({ id?: unknown; method?: unknown } | null)[];
  return messages.flatMap((message) =>
    message?.method === undefined || message.id === undefined ? [] : [message.id],
  );
}
