import type { AuthorizationAnswer, CedarValueJson, TypeAndId } from "@cedar-policy/cedar-wasm/nodejs";
import { isAuthorizedPartial, statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { type ArgumentReads, cedarArguments, readsOf } from "./argument-values.ts";
import { Recent } from "./recent.ts";
import type { Rule } from "./rule.ts";
import { inSlice, type Slice, scopeCovers } from "./slice.ts";
import { resourceOf } from "./vocabulary.ts";

/** May this agent, for this user, do this with this thing of this server? */
export interface Ask {
  readonly agent: string;
  readonly user?: string | undefined;
  readonly server: string;
  /** A method of MCP. */
  readonly action: string;
  /** Tool, prompt or URI; "" where the method names none. */
  readonly target: string;
  readonly arguments?: Readonly<Record<string, unknown>> | undefined;
}

/** `ruleId` is undefined when no rule spoke. `reason` is public: it holds rule names and reasons, never a value. */
export type Decision =
  | { readonly allow: true; readonly ruleId: string }
  | { readonly allow: false; readonly ruleId: string | undefined; readonly reason: string };

export interface ServerPolicies {
  decide(ask: Ask): Decision;
  /** Could some arguments be allowed? For showing a tool or not; the call itself is decided when it comes. */
  couldCall(ask: Omit<Ask, "arguments">): boolean;
}

/** What stays the same between calls that differ in their arguments alone. */
interface Standing {
  /** The rules whose scope covers the question. */
  readonly rules: readonly Rule[];
  readonly reads: ArgumentReads | undefined;
  /** Decided once and for all when no such rule reads an argument. */
  readonly decision: Decision | undefined;
  couldCall: boolean | undefined;
}

const CACHED = 4096;

export function serverPolicies(server: string, sliceFor: (resource: TypeAndId) => Slice): ServerPolicies {
  const standings = new Recent<Standing>(CACHED);
  /** A decision follows from the question and the argument values that rules read, and from nothing else. */
  const decisions = new Recent<Decision>(CACHED);

  function standingOf(ask: Omit<Ask, "arguments">): Standing {
    return standings.get(JSON.stringify([ask.agent, ask.user ?? null, ask.action, ask.target]), () => {
      const resource = resourceOf(server, ask.action, ask.target);
      const slice = sliceFor(resource);
      const rules = slice.rules.filter((rule) =>
        scopeCovers(rule, ask.agent, { action: ask.action, resource }),
      );
      const reads = readsOf(rules);
      const decision = reads ? undefined : evaluate(slice, ask, { resource, values: {} });
      return { rules, reads, decision, couldCall: decision?.allow };
    });
  }

  return {
    decide(ask) {
      if (ask.server !== server)
        return { allow: false, ruleId: undefined, reason: "these are another server's rules" };
      const { decision, reads } = standingOf(ask);
      if (decision) return decision;
      const values = reads ? cedarArguments(ask.arguments ?? {}, reads) : { ok: true as const, record: {} };
      if (!values.ok) return { allow: false, ruleId: values.rule.id, reason: values.reason };
      const { agent, user = null, action, target } = ask;
      return decisions.get(JSON.stringify([agent, user, action, target, values.record]), () => {
        const resource = resourceOf(server, action, target);
        return evaluate(sliceFor(resource), ask, { resource, values: values.record });
      });
    },
    couldCall(ask) {
      if (ask.server !== server) return false;
      const standing = standingOf(ask);
      standing.couldCall ??= mayAllow(standing.rules, ask, resourceOf(server, ask.action, ask.target));
      return standing.couldCall;
    },
  };
}

function evaluate(
  slice: Slice,
  ask: Omit<Ask, "arguments">,
  about: { readonly resource: TypeAndId; readonly values: Record<string, CedarValueJson> },
): Decision {
  const answer = statefulIsAuthorized({
    principal: { type: "Agent", id: ask.agent },
    action: { type: "Action", id: ask.action },
    resource: about.resource,
    context: contextOf(ask, about.values),
    preparsedPolicySetId: slice.name,
    entities: [],
  });
  return readAnswer(answer, slice.rules);
}

function contextOf(ask: Omit<Ask, "arguments">, values: CedarValueJson): Record<string, CedarValueJson> {
  return { target: ask.target, ...(ask.user === undefined ? {} : { user: ask.user }), arguments: values };
}

/**
 * Cedar leaves out a policy whose evaluation fails. For a permit that is safe; a forbid left out is a door left open, so
 * its failure denies.
 */
export function readAnswer(answer: AuthorizationAnswer, rules: readonly Rule[]): Decision {
  if (answer.type === "failure")
    return { allow: false, ruleId: undefined, reason: "the question could not be evaluated" };
  const { decision, diagnostics } = answer.response;
  const failed = rules.filter((rule) => diagnostics.errors.some((error) => error.policyId === rule.id));
  const determining = rules.find((rule) => diagnostics.reason.includes(rule.id));
  if (decision === "deny" && determining)
    return { allow: false, ruleId: determining.id, reason: determining.reason ?? "forbidden" };
  const forbid = failed.find((rule) => rule.effect === "forbid");
  if (forbid)
    return { allow: false, ruleId: forbid.id, reason: `it forbids some calls, and ${unevaluated(forbid)}` };
  if (decision === "allow" && determining) return { allow: true, ruleId: determining.id };
  const [permit] = failed;
  const hint = permit ? `; rule "${permit.id}" might, but ${unevaluated(permit)}` : "";
  return { allow: false, ruleId: undefined, reason: `no rule allows it${hint}` };
}

function unevaluated(rule: Rule): string {
  return `${rule.reads.length > 0 ? "an argument" : "something"} that it reads is missing or of another type`;
}

/**
 * Three-valued: the arguments are unknown, every condition on them may turn out either way. Shown is what a permit may
 * still allow and no forbid surely forbids.
 */
function mayAllow(rules: readonly Rule[], ask: Omit<Ask, "arguments">, resource: TypeAndId): boolean {
  const answer = isAuthorizedPartial({
    principal: { type: "Agent", id: ask.agent },
    action: { type: "Action", id: ask.action },
    resource,
    context: contextOf(ask, { __extn: { fn: "unknown", arg: "arguments" } }),
    policies: { staticPolicies: Object.fromEntries(rules.map((rule) => [rule.id, inSlice(rule.json)])) },
    entities: [],
  });
  if (answer.type === "failure") return false;
  const { satisfied, errored, nontrivialResiduals } = answer.response;
  const has = (effect: Rule["effect"], ids: readonly string[]) =>
    rules.some((rule) => rule.effect === effect && ids.includes(rule.id));
  return !has("forbid", [...satisfied, ...errored]) && has("permit", [...satisfied, ...nontrivialResiduals]);
}
