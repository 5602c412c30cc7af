import type { Asked } from "./checks.ts";

export type Operation = "poll" | "ack" | "heartbeat" | "stop" | "session" | "stream" | "history" | "result";

/** What is called, and of which item or session. */
export type Called =
  | { operation: "poll" }
  | { operation: "ack" | "heartbeat" | "stop"; item: string }
  | { operation: "session" | "stream" | "history" | "result"; session: string };

const ofSessions = {
  "GET ": "session",
  "GET /events/stream": "stream",
  "GET /events": "history",
  "POST /events": "result",
} as const;

/** Undefined for what is not in the contract. */
export function calledBy({ method, path }: Asked, environment: string): Called | undefined {
  const work = `/v1/environments/${environment}/work/`;
  if (path.startsWith(work)) {
    if (path === `${work}poll`) return method === "GET" ? { operation: "poll" } : undefined;
    const [, item, verb] = /^([^/]+)\/(ack|heartbeat|stop)$/.exec(path.slice(work.length)) ?? [];
    if (item === undefined || method !== "POST") return undefined;
    return { operation: verb as "ack" | "heartbeat" | "stop", item };
  }
  const [, session, rest = ""] = /^\/v1\/sessions\/([^/]+)(.*)$/.exec(path) ?? [];
  const operation = ofSessions[`${method} ${rest}` as keyof typeof ofSessions];
  return session === undefined || operation === undefined ? undefined : { operation, session };
}
