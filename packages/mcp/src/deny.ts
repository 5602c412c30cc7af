import { printable } from "@sallyport/contracts";
import type { Refusal, RequestId } from "./message.ts";

/** An HTTP answer made here rather than by the upstream. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Which zone gave up. `upstream` means the private server itself could not be reached. */
export type FailureSource = "edge" | "relay" | "connector" | "runner" | "broker" | "audit" | "upstream";

/** What `error.data.sallyport` holds, so that no one takes our answer for the upstream's. */
export interface Provenance {
  readonly code: string;
  readonly source: FailureSource;
  readonly retryable: boolean;
  readonly rule?: string;
  readonly reason?: string;
}

/**
 * Outside -32768…-32000, where revision 2026-07-28 asks new codes to be ("Error Codes"): -32000…-32019 are legacy and
 * -32020…-32099 are the specification's own. The last digits are the HTTP status that a person would expect.
 */
export const DENIED = -31403;
export const UNAVAILABLE = -31503;

/**
 * The policy said no. A JSON-RPC error on both wires, not a tool result with `isError`: a tool error says that the tool ran
 * and invites the model to correct its arguments and try again, a protocol error says that it did not run. It also needs no
 * `resultType` and breaks no tool's `outputSchema`.
 *
 * With an id the status is 200 and the error is in the body: SDK clients turn any other status into a transport error that
 * hides code and data (403 even starts an OAuth step-up). A notification has no answer, so there the status has to speak.
 */
export function denial(denied: {
  readonly id: RequestId | undefined;
  /** Whose policy it was; `broker` for its lease rules. */
  readonly source: "connector" | "runner" | "broker";
  readonly ruleId: string | undefined;
  readonly reason: string;
}): Answer {
  const rule = denied.ruleId === undefined ? undefined : printable(denied.ruleId, 128);
  const reason = printable(denied.reason, 512);
  const data: Provenance = {
    code: "denied",
    source: denied.source,
    retryable: false,
    ...(rule === undefined ? {} : { rule }),
    reason,
  };
  const message =
    rule === undefined ? `Denied by policy: ${reason}` : `Denied by policy rule "${rule}": ${reason}`;
  return errorAnswer(denied.id, { code: DENIED, message, data, status: denied.id === undefined ? 403 : 200 });
}

const statuses = { unavailable: 503, timeout: 504, exhausted: 429, internal: 500 };

/** The call could not be carried out. `retryable` speaks of this very call: false when the tool may have run. */
export function unavailable(failed: {
  readonly id: RequestId | undefined;
  readonly code?: keyof typeof statuses;
  readonly source: FailureSource;
  readonly retryable: boolean;
  readonly reason: string;
}): Answer {
  const code = failed.code ?? "unavailable";
  const reason = printable(failed.reason, 512);
  return errorAnswer(failed.id, {
    code: UNAVAILABLE,
    message: `Not carried out: ${reason}`,
    data: { code, source: failed.source, retryable: failed.retryable, reason },
    status: failed.id === undefined ? statuses[code] : 200,
  });
}

/** The body or its headers were not acceptable. The specification sets the status (400) and the codes here. */
export function invalid(refusal: Refusal, source: FailureSource): Answer {
  return errorAnswer(refusal.id, {
    code: refusal.code,
    message: refusal.message,
    data: { code: "invalid", source, retryable: false },
    status: refusal.status,
  });
}

/** Without an id the member is left out: MCP's schema allows that and forbids JSON-RPC's `null`. */
function errorAnswer(
  id: RequestId | undefined,
  error: {
    readonly code: number;
    readonly message: string;
    readonly data: Provenance;
    readonly status: number;
  },
): Answer {
  const body = {
    jsonrpc: "2.0",
    ...(id === undefined ? {} : { id }),
    error: { code: error.code, message: error.message, data: { sallyport: error.data } },
  };
  return {
    status: error.status,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
    body: JSON.stringify(body),
  };
}
