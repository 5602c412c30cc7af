/**
 * Who may do what with which private server, as Cedar policies. Default deny; a forbid beats every permit.
 *
 * ```cedar
 * @id("orders-connect")
 * permit(principal, action in Action::"connect", resource in Server::"orders");
 *
 * @id("support-reads-orders")
 * permit(principal == Agent::"support", action == Action::"tools/call", resource == Tool::"orders/list_orders");
 *
 * @id("small-refunds-only") @reason("refunds above 100 need a person")
 * forbid(principal, action == Action::"tools/call", resource == Tool::"orders/refund")
 * unless { context.arguments has amount && context.arguments.amount <= 100 };
 * ```
 *
 * A scope names `Agent::"…"`, an MCP method as action (or the group `connect`: handshake and lists), and
 * `Server::"orders"`, `Tool::"orders/name"`, `Prompt::"orders/name"` or `Resource::"orders/uri"`. Conditions read
 * `context.target`, `context.user` (absent without a delegating user) and `context.arguments`. Each policy has an `@id`, and
 * may have a `@reason` that the denied agent is told.
 *
 * What a sandbox may send out is decided by the same policies, with `Action::"http/request"` and `Host::"api.example.com"`;
 * conditions read `context.method`, `path`, `host`, `scheme`, `port` and `tls`:
 *
 * ```cedar
 * @id("read-orders-api")
 * permit(principal, action == Action::"http/request", resource == Host::"orders.example.com")
 * when { context.method == "GET" && context.path like "/v1/*" };
 * ```
 *
 * Policies are checked when they are loaded: a typo stops the boot and says file, line and column. The shape of arguments is
 * not known then, so what fails at a call (a missing argument, another type) makes a permit not apply and a forbid deny.
 *
 * How it stays fast: rules are sliced by server and named tool, the slices parsed once, scopes resolved so that Cedar gets no
 * entities, only the arguments that some rule reads are handed over, and a decision that reads none is kept.
 */
export { compilePolicies, type PolicySet } from "./src/compile.ts";
export type { Ask, Decision, ServerPolicies } from "./src/decide.ts";
export type { HttpAsk, HttpPolicies } from "./src/decide-http.ts";
export { LivePolicies } from "./src/live.ts";
export { PolicyError, type PolicyFile } from "./src/policy-error.ts";
