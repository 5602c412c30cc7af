import type { ServiceError } from "@sallyport/contracts";
import type { Header } from "@sallyport/egress";
import type { Message } from "@sallyport/mcp";
import type { Scrubber } from "@sallyport/scrub";
import type { Lease, UsedLease } from "./credentials/leases.ts";

/** A request as it goes to a private server: the agent's allowed headers, and a body that is not written again. */
export interface UpstreamRequest {
  method: "POST" | "GET" | "DELETE";
  headers: readonly Header[];
  body: Uint8Array;
  /** The upstream's own name of the session. */
  session: string | undefined;
  /** What the session's leases are kept under: a process pins it while it runs. */
  leaseSession: string;
  messages: readonly Message[];
  /** Who the agent is, as a digest: what is kept apart for two agents is kept apart by it. */
  principal: string;
  /** The same by name, and the grant's id: for records of what the call sets off. */
  who: { agent: string; user: string | undefined; grant: string };
  lease: Lease | undefined;
  /** A credential leased under this call's grant while that lives, kept under a session of the upstream's own naming. */
  credential(name: string, session: string): Promise<UsedLease>;
  /** The work item that the edge had claimed for the session which this call begins. */
  work: string | undefined;
  /** Asks the edge that called, in the course of the call. Rejects with ServiceError. */
  ask(question: Uint8Array): Promise<Uint8Array>;
  trace: { traceparent: string; tracestate?: string } | undefined;
}

/** What comes back: one head, data, then end; or fail at any point. */
export interface UpstreamReply {
  head(status: number, headers: readonly Header[]): void;
  /** False: pause until `resume` of the call. */
  data(chunk: Uint8Array): boolean;
  end(): void;
  /** `reached`: the request may have arrived at the upstream, so it must not be sent again without a thought. */
  fail(error: ServiceError, reached: boolean): void;
}

export interface UpstreamCall {
  cancel(): void;
  resume(): void;
}

/** A private MCP server as the rest of the connector sees it: Streamable HTTP, whatever it really speaks. */
export interface Upstream {
  send(request: UpstreamRequest, reply: UpstreamReply): UpstreamCall;
  /**
   * Whether this request needs a lease: a process that runs already got its credential when it was started. Without
   * `messages` it is not known whether they begin a session, and a lease is asked for.
   */
  needsLease(request: {
    session: string | undefined;
    principal: string;
    messages?: readonly Message[];
  }): boolean;
  /** A work item was claimed for a call that was refused, or failed, before it came here: nobody will begin its session. */
  unused?(work: string): void;
  /** Knows the secrets that the process behind a session, or of an agent without one, got at its start. */
  scrubber?(session: string | undefined, principal?: string): Scrubber | undefined;
  /** Why it cannot be used now, for doctor and presence; undefined when it can. */
  problem(): string | undefined;
  close(): Promise<void>;
}
