import type { Message } from "./message.ts";

/** What a policy is asked about. `target` is "" for a method that names nothing: it is about the server itself. */
export interface Subject {
  readonly action: string;
  readonly target: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
}

/** Undefined for a response: it answers a question that the server put to the client, and names nothing of its own. */
export function subjectOf(message: Message): Subject | undefined {
  if (message.kind === "response") return undefined;
  const { method, params } = message;
  const args = params.arguments;
  return {
    action: method,
    target: targetOf(method, params),
    ...(isRecord(args) ? { arguments: args } : {}),
  };
}

function targetOf(method: string, params: Readonly<Record<string, unknown>>): string {
  switch (method) {
    case "tools/call":
    case "prompts/get":
      return text(params.name);
    case "resources/read":
    case "resources/subscribe":
    case "resources/unsubscribe":
      return text(params.uri);
    case "completion/complete": {
      const ref = params.ref;
      return isRecord(ref) ? text(ref.name) || text(ref.uri) : "";
    }
    case "tasks/get":
    case "tasks/update":
    case "tasks/cancel":
    case "tasks/result":
      return text(params.taskId);
    default:
      return "";
  }
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
