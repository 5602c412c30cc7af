import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

const lookEveryMs = 20;

/**
 * The POSTs whose answer has not gone out, which an orderly stop waits for. What stays open for as long as the agent
 * likes (a GET stream, `subscriptions/listen`) is not waited for: nobody would ever stop.
 */
export class PostsInProgress {
  readonly #posts = new Set<ServerResponse>();
  #draining = false;

  /** False while the edge drains: the request must not go on. */
  begin(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#draining) return false;
    // The header says what the body says, or the request is refused (2026-07-28, "Request Metadata").
    if (request.method !== "POST" || request.headers["mcp-method"] === "subscriptions/listen") return true;
    this.#posts.add(response);
    // Not `finish`: the last bytes must be out of this process.
    response.once("close", () => this.#posts.delete(response));
    return true;
  }

  /** From now on nothing begins. Resolves when the last POST has its answer, or when the time is over. */
  async drain(withinMs: number): Promise<void> {
    this.#draining = true;
    const end = performance.now() + withinMs;
    for (let left = withinMs; this.#posts.size > 0 && left > 0; left = end - performance.now()) {
      await sleep(Math.min(lookEveryMs, left));
    }
  }
}
