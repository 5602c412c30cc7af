import { z } from "zod";

/** What is read of the API's answers, and nothing else: they may grow. */
const Id = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/);

export const PolledItem = z.object({
  id: Id,
  environment_id: Id,
  data: z.object({ type: z.string().max(64), id: Id }),
  metadata: z.record(z.string(), z.string()).nullish(),
  secret: z.string().max(16_384).nullish(),
});
export type PolledItem = z.infer<typeof PolledItem>;

export const Beat = z.object({
  last_heartbeat: z.string().min(1).max(512),
  lease_extended: z.boolean(),
  state: z.string().max(64),
  ttl_seconds: z.number(),
});

export const RemoteSession = z.object({ status: z.string().max(64) });

/** Every event has these; what else it has depends on its type. */
const anyEvent = { id: Id, type: z.string().max(128) };
const thread = { session_thread_id: Id.nullish() };

const ToolUse = z.object({
  ...anyEvent,
  ...thread,
  type: z.enum(["agent.tool_use", "agent.custom_tool_use"]),
  name: z.string().min(1).max(256),
  input: z.record(z.string(), z.unknown()),
  evaluated_permission: z.string().nullish(),
});
export type ToolUse = z.infer<typeof ToolUse>;

const Answered = z.object({ ...anyEvent, type: z.literal("user.tool_result"), tool_use_id: Id });
const CustomAnswered = z.object({
  ...anyEvent,
  type: z.literal("user.custom_tool_result"),
  custom_tool_use_id: Id,
});
const Confirmation = z.object({
  ...anyEvent,
  type: z.literal("user.tool_confirmation"),
  tool_use_id: Id,
  result: z.string().max(64),
});
const Idle = z.object({
  ...anyEvent,
  type: z.literal("session.status_idle"),
  stop_reason: z.object({ type: z.string().max(64) }).nullish(),
});
const ThreadEnded = z.object({
  ...anyEvent,
  type: z.literal("session.thread_status_terminated"),
  session_thread_id: Id,
});
const Ended = z.object({ ...anyEvent, type: z.enum(["session.status_terminated", "session.deleted"]) });

const known = z.discriminatedUnion("type", [
  ToolUse,
  Answered,
  CustomAnswered,
  Confirmation,
  Idle,
  ThreadEnded,
  Ended,
]);
const other = z.object(anyEvent).transform(({ id }) => ({ id, type: "other" as const }));
const knownTypes: ReadonlySet<unknown> = new Set(
  known.options.flatMap(({ shape: { type } }): string[] => ("options" in type ? type.options : [type.value])),
);

export type SessionEvent = z.infer<typeof known> | z.infer<typeof other>;

/** Undefined for what is no event of a session, or is malformed as the event that it says it is. */
export function readEvent(value: unknown): SessionEvent | undefined {
  const type = (value as { type?: unknown } | null)?.type;
  const read = (knownTypes.has(type) ? known : other).safeParse(value);
  return read.success ? read.data : undefined;
}

export const EventPage = z.object({
  data: z.array(z.unknown()).max(1_000),
  next_page: z.string().max(4_096).nullish(),
});

const Secret = z.object({ sessions_token: z.string().regex(/^[\x21-\x7e]{1,8192}$/) });

/**
 * The item's own bearer token. `secret` is base64url of JSON, with or without padding; undefined when it cannot be read:
 * then the environment key is used. Its `api_base_url` is not looked at: the base URL is what the operator has set.
 */
export function tokenOf(secret: string | null | undefined): string | undefined {
  if (typeof secret !== "string" || secret === "") return undefined;
  try {
    const read = Secret.safeParse(JSON.parse(Buffer.from(secret, "base64url").toString("utf8")));
    return read.success ? read.data.sessions_token : undefined;
  } catch {
    return undefined;
  }
}
