import type { AuditFields } from "@sallyport/audit";
import type { Incoming } from "@sallyport/bus";
import { asServiceError, type ExchangeHead } from "@sallyport/contracts";
import { type Answer, type FailureSource, type Message, type RequestId, unavailable } from "@sallyport/mcp";
import type { PolicySet } from "@sallyport/policy";
import type { CallSpans } from "./call-spans.ts";
import type { Leases } from "./credentials/leases.ts";
import type { LinkGrants, LiveGrant } from "./grants.ts";
import type { Server } from "./server.ts";
import type { Session, SessionNames } from "./session-names.ts";

/** Whose gate it is, as agents are told. */
export type GateZone = "connector" | "runner";

export interface ExchangeDeps {
  zone: GateZone;
  tenant: string;
  servers: ReadonlyMap<string, Server>;
  policies: PolicySet;
  sessions: SessionNames;
  leases: Pick<Leases, "cached" | "use" | "end">;
  /** Which calls a stop waits for. `begin` throws while this instance drains. */
  calls: {
    begin(exchange: Incoming, request: { method: string; messages: readonly Message[] }): void;
    ended(exchange: Incoming): void;
  };
  audit: { append(fields: AuditFields): Promise<void>; appendLater(fields: AuditFields): Promise<void> };
  maxBodyBytes: number;
  log: { warn(fields: object, message: string): void };
}

/** What is known of a call once it has passed the first steps. */
export interface Call {
  exchange: Incoming;
  head: ExchangeHead;
  grants: LinkGrants;
  grant: LiveGrant;
  server: Server;
  messages: readonly Message[];
  session: Session;
  spans: CallSpans;
}

/** A call that ends with an answer of ours. */
export class Answered extends Error {
  readonly answer: Answer;

  constructor(of: Answer, cause?: unknown) {
    super("answered here", { cause });
    this.answer = of;
  }
}

/** Nothing has left for the upstream: the same call may be tried again. */
export function unsent(
  call: Call,
  failure: { source: FailureSource; reason: string; cause: unknown },
): Answered {
  const known = asServiceError(failure.cause);
  const { source, reason } = failure;
  const code = known.code === "exhausted" ? "exhausted" : "unavailable";
  return new Answered(
    unavailable({ id: requestId(call.messages), code, source, retryable: true, reason }),
    failure.cause,
  );
}

export function requestId(messages: readonly Message[]): RequestId | undefined {
  for (const message of messages) if (message.kind === "request") return message.id;
  return undefined;
}

export function isInitialize(messages: readonly Message[]): boolean {
  return messages.some((message) => message.kind === "request" && message.method === "initialize");
}
