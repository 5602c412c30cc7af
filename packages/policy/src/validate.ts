import type {
  CedarValueJson,
  Expr,
  PolicyJson,
  TypeAndId,
  ValidationError,
} from "@cedar-policy/cedar-wasm/nodejs";
import { validate } from "@cedar-policy/cedar-wasm/nodejs";
import { accessOf, argumentReads, isVariable, operands, operatorOf, presenceOf } from "./expression.ts";
import { hostProblem, httpContext, httpSchema } from "./http-rules.ts";
import { PolicyError } from "./policy-error.ts";
import { constantsOf, type Rule, scopeEntity } from "./rule.ts";
import { schema, serverOfEntity, targetTypes } from "./vocabulary.ts";

/**
 * Refuses rules that say something other than their author means: an unknown action, type or attribute, a condition that
 * can never hold, a tool without its server. Most of it is Cedar's own validator; warnings count as errors, for a forbid
 * that can never apply protects nothing.
 */
export function validateRules(rules: readonly Rule[]): void {
  for (const rule of rules) {
    const problem = ownProblem(rule, ["target", "user", "arguments"]);
    if (problem) throw new PolicyError(problem, rule.place);
  }
  validateAgainst(schema, rules);
}

/** The same for rules about requests to hosts. */
export function validateHttpRules(rules: readonly Rule[]): void {
  for (const rule of rules) {
    const problem = hostProblem(rule) ?? ownProblem(rule, httpContext);
    if (problem) throw new PolicyError(problem, rule.place);
  }
  validateAgainst(httpSchema, rules);
}

function validateAgainst(schema: string, rules: readonly Rule[]): void {
  const staticPolicies = Object.fromEntries(rules.map((rule) => [rule.id, abstracted(rule.json)]));
  const answer = validate({ schema, policies: { staticPolicies } });
  if (answer.type === "failure")
    throw new Error(`Cedar did not accept its own rendering: ${answer.errors[0]?.message}`);
  const found = [...answer.validationErrors, ...answer.validationWarnings];
  for (const rule of rules) {
    const error = found.find(({ policyId }) => policyId === rule.id);
    if (error) throw validationError(rule, error);
  }
}

/** What Cedar would let pass, and only because it does not know how its rules are used here. */
function ownProblem(rule: Rule, attributes: readonly string[]): string | undefined {
  const constants = rule.json.conditions.flatMap(({ body }) => constantsOf(body));
  if (constants.some((value) => typeof value === "number" && !Number.isSafeInteger(value)))
    return "an integer beyond 53 bits cannot be compared with an argument exactly";
  const entities = constants.flatMap((value) => entityOf(value) ?? []);
  const scope = scopeEntity(rule.json.resource);
  for (const entity of scope ? [scope, ...entities] : entities) {
    if (entity.type !== "Server" && !targetTypes.includes(entity.type)) continue;
    if (serverOfEntity(entity) !== undefined) continue;
    return entity.type === "Server"
      ? `Server::"${entity.id}" is no server's name: 1 to 64 of A-Z a-z 0-9 _ -`
      : `${entity.type}::"${entity.id}" must name its server first: ${entity.type}::"server/${entity.id}"`;
  }
  // In Cedar's JSON `__entity` and its like are no attributes, and their values would be the caller's.
  const reserved = rule.reads.flatMap(({ path }) => path).find((step) => step.startsWith("__"));
  if (reserved) return `an argument "${reserved}" cannot be read: names with "__" are Cedar's`;
  for (const { body } of rule.json.conditions) {
    const problem = conditionProblem(body, attributes);
    if (problem) return problem;
  }
  return undefined;
}

function entityOf(value: CedarValueJson): TypeAndId | undefined {
  return typeof value === "object" && value !== null && "__entity" in value
    ? (value.__entity as TypeAndId)
    : undefined;
}

function validationError(rule: Rule, { error }: ValidationError): PolicyError {
  const help = error.help === null ? "" : ` (${error.help})`;
  return new PolicyError(`${error.message}${help}`, rule.place);
}

/**
 * A server's rules are evaluated without a hierarchy of entities (it costs a fifth of a decision), so a test for one in a
 * condition would quietly be false. Scopes are resolved at load; conditions may ask `principal in [Agent::"a", …]`.
 */
function conditionProblem(expression: Expr, attributes: readonly string[]): string | undefined {
  const left = operands(expression)[0];
  if ("in" in expression && !isVariable(left, "principal"))
    return "`in` belongs in the scope, the part in parentheses; a condition may only say `principal in [Agent::…]`";
  if ("is" in expression && (expression.is as { in?: Expr }).in)
    return "`is … in …` belongs in the scope, the part in parentheses";
  const attribute = isVariable(left, "context")
    ? (accessOf(expression)?.attr ?? presenceOf(expression)?.attrs[0])
    : undefined;
  if (attribute !== undefined && !attributes.includes(attribute))
    return `context has no attribute "${attribute}"; it has ${listed(attributes)}`;
  if (attribute === undefined && operands(expression).some((operand) => isVariable(operand, "context")))
    return `context is read by attribute: ${attributes.map((name) => `context.${name}`).join(", ")}`;
  for (const operand of operands(expression)) {
    const problem = conditionProblem(operand, attributes);
    if (problem) return problem;
  }
  return undefined;
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

const argumentCondition = { ".": { left: { Var: "context" }, attr: "argument condition" } } as const;

/** The same policy with every condition on arguments replaced by one boolean of unknown value. */
function abstracted(policy: PolicyJson): PolicyJson {
  return {
    ...policy,
    conditions: policy.conditions.map(({ kind, body }) => ({ kind, body: abstract(body) })),
  };
}

function abstract(expression: Expr): Expr {
  if (argumentReads(expression).length === 0) return expression;
  const operator = operatorOf(expression);
  if (operator === "&&" || operator === "||") {
    const { left, right } = (expression as Record<string, { left: Expr; right: Expr }>)[operator] ?? {};
    if (left && right) return { [operator]: { left: abstract(left), right: abstract(right) } } as Expr;
  }
  if ("!" in expression) return { "!": { arg: abstract((expression["!"] as { arg: Expr }).arg) } };
  return argumentCondition;
}
