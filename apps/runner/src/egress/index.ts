/**
 * The one door out of a sandbox. Which socket a request came through says who sent it; the policies say where it may go.
 *
 * A request is read in one way only (`authority.ts`, `request-target.ts`, `request-checks.ts`), decided and recorded
 * (`session.ts`), and sent to an address that was judged (`dial.ts`). A tunnel carries TLS to the very host that it was
 * asked for (`client-hello.ts`, `tunnel.ts`), or what a rule names as something else.
 */

export { type EgressOptions, type EgressProxy, openEgress } from "./open-egress.ts";
export type { EgressDeps, EgressLimits, EgressRecord, Identity } from "./session.ts";
