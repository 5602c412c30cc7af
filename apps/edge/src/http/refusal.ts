import type { ServiceError } from "@sallyport/contracts";
import {
  type Answer,
  type FailureSource,
  invalid,
  type Message,
  type RequestId,
  unavailable,
} from "@sallyport/mcp";
import { challenge } from "./metadata.ts";

/** A request that ends here with this answer. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`refused with ${answer.status}`);
    this.answer = answer;
  }
}

/** A refusal outside JSON-RPC: RFC 9457 problem details. */
export function problem(status: number, title: string, headers: Record<string, string> = {}): Refusal {
  return new Refusal({
    status,
    headers: { "content-type": "application/problem+json", "cache-control": "no-store", ...headers },
    body: JSON.stringify({ status, title }),
  });
}

/** A failure of the tunnel as the agent's own wire says it. `sent`: the call may have reached the upstream. */
export function failure(
  error: ServiceError,
  call: {
    messages: readonly Message[];
    sent: boolean;
    source: FailureSource;
    /** What was called, for the challenge of a 401. */
    resource: { publicUrl: string; server: string };
  },
): Answer {
  const id = firstRequestId(call.messages);
  switch (error.code) {
    case "not_found":
      return problem(404, error.message).answer;
    case "unauthenticated":
      // The words of the challenge are ours: the connector's go into the body alone.
      return problem(401, error.message, {
        "www-authenticate": challenge(call.resource, {
          code: "invalid_token",
          description: "the access token was not accepted",
        }),
      }).answer;
    case "denied":
      return problem(403, error.message).answer;
    case "invalid":
      return invalid(
        { status: 400, code: -32600, message: error.message, ...(id === undefined ? {} : { id }) },
        call.source,
      );
    case "unavailable":
    case "timeout":
    case "exhausted":
    case "internal":
    case "conflict":
      return unavailable({
        id,
        code: error.code === "conflict" ? "internal" : error.code,
        source: call.source,
        // Only a call that cannot have had an effect may be tried again without a thought.
        retryable: error.retryable && !call.sent,
        reason: error.message,
      });
  }
}

/** The tunnel broke while events were coming: the call's own id is told, so that no client waits for ever. */
export function failureEvent(error: ServiceError, messages: readonly Message[]): string | undefined {
  const id = firstRequestId(messages);
  if (id === undefined) return undefined;
  const code = error.code === "timeout" || error.code === "exhausted" ? error.code : "unavailable";
  const { body } = unavailable({ id, code, source: "relay", retryable: false, reason: error.message });
  return `event: message\ndata: ${body}\n\n`;
}

export function firstRequestId(messages: readonly Message[]): RequestId | undefined {
  for (const message of messages) if (message.kind === "request") return message.id;
  return undefined;
}
