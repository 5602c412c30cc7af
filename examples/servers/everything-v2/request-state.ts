import { randomBytes } from "node:crypto";
import { createRequestStateCodec, type RequestStateCodec } from "@modelcontextprotocol/server";

/** What a multi-round tool remembers between rounds. The server keeps nothing: the client carries it back. */
export interface RoundState {
  readonly tool: string;
  readonly round: number;
  readonly name?: string;
}

/**
 * Seals and checks `requestState` (SEP-2322). It comes back from the client, so it is the client's to forge:
 * the codec's HMAC and its time to live are what makes it worth reading.
 */
export function requestStates(): RequestStateCodec<RoundState> {
  return createRequestStateCodec<RoundState>({ key: randomBytes(32) });
}
