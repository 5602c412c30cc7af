/**
 * The one door out of a sandbox. Which socket a request came through says who sent it; the policies say where it may go.
 *
 * A request is read in one way only (`authority.ts`, `request-target.ts`, `request-checks.ts`), decided and recorded
 * (`session.ts`), and sent to an address that was judged (`upstreams.ts`, `dial.ts`). A tunnel carries TLS to the very
 * host that it was asked for (`client-hello.ts`, `tunnel.ts`), or what a rule names as something else.
 *
 * A WebSocket begins as a request and is looked through message by message (`websocket.ts`, `websocket-frames.ts`).
 *
 * A placeholder is what a sandbox holds in the place of a credential (`placeholders.ts`). Where it stands as it is bound,
 * the credential takes its place for that one request (`find-placed.ts`, `place-all.ts`); anywhere else it refuses the
 * request. TLS ends at the proxy for bound hosts alone, with a certificate that counts in this sandbox alone
 * (`certificate-authority.ts`), and what was placed comes back in no answer (`scrub-answer.ts`). What a token endpoint
 * hands out stays here too: the sandbox gets placeholders of it (`token-answer.ts`, `issued-tokens.ts`).
 */
export { environmentFor } from "./src/environment.ts";
export { javaTrustStore } from "./src/java-trust-store.ts";
export { type EgressOptions, type EgressProxy, openEgress } from "./src/open-egress.ts";
export { type Binding, type Location, type Placeholder, placeholderValue } from "./src/placeholders.ts";
export type { EgressDeps, EgressLimits, EgressRecord, Identity } from "./src/session.ts";
export type { IssuedField, TokenEndpoint } from "./src/token-endpoint.ts";
export { upstreamTrust } from "./src/upstream-trust.ts";
export { withPlaceholders } from "./src/with-placeholders.ts";
