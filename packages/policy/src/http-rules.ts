import type { Expr } from "@cedar-policy/cedar-wasm/nodejs";
import { accessOf, isVariable, operands } from "./expression.ts";
import { PolicyError } from "./policy-error.ts";
import { type Rule, scopeEntity, typeAndId } from "./rule.ts";

export const httpAction = "http/request";

export const httpContext: readonly string[] = ["method", "path", "host", "scheme", "port", "tls", "user"];

/** For validation at load alone. */
export const httpSchema = `entity Agent, Host;
action "${httpAction}" appliesTo { principal: [Agent], resource: [Host], context:
  { method: String, path: String, host: String, scheme: String, port: Long, tls: Bool, user?: String } };`;

/**
 * Only a rule whose scope names the action speaks of HTTP: `permit(principal, action, resource)`, written for tools, opens
 * no host.
 */
export function isHttpRule(rule: Rule): boolean {
  const named = namedActions(rule);
  if (!named.includes(httpAction)) return false;
  if (named.length > 1)
    throw new PolicyError(
      `Action::"${httpAction}" stands alone in a scope: its conditions read another context`,
      rule.place,
    );
  return true;
}

/** A forbid of every action means requests to hosts too. One that cannot be evaluated there denies, as anywhere. */
export function forbidsEverything(rule: Rule): boolean {
  const { effect, action, resource } = rule.json;
  const aboutHosts = resource.op === "All" || (resource.op === "is" && resource.entity_type === "Host");
  return effect === "forbid" && action.op === "All" && aboutHosts;
}

/** What is no host as the proxy writes it could never match: a forbid of it would protect nothing. */
export function hostProblem(rule: Rule): string | undefined {
  const host = scopeEntity(rule.json.resource);
  if (host?.type !== "Host" || /^[a-z0-9:]([a-z0-9.:-]*[a-z0-9:])?$/.test(host.id)) return undefined;
  return `Host::"${host.id}" is no host's name: lower case, A-labels, no dot at its end, no port`;
}

export function readsContext(rule: Rule, attribute: string): boolean {
  const reads = (expression: Expr): boolean => {
    const access = accessOf(expression);
    if (access?.attr === attribute && isVariable(access.left, "context")) return true;
    return operands(expression).some(reads);
  };
  return rule.json.conditions.some(({ body }) => reads(body));
}

function namedActions({ json: { action } }: Rule): readonly string[] {
  if (action.op === "All") return [];
  if ("entities" in action) return action.entities.map((entity) => typeAndId(entity).id);
  return "entity" in action ? [typeAndId(action.entity).id] : [];
}
