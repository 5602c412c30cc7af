import type {
  ActionConstraint,
  PolicyJson,
  PrincipalConstraint,
  ResourceConstraint,
  TypeAndId,
} from "@cedar-policy/cedar-wasm/nodejs";
import { preparsePolicySet } from "@cedar-policy/cedar-wasm/nodejs";
import { PolicyError } from "./policy-error.ts";
import { type Rule, scopeEntity, typeAndId } from "./rule.ts";
import { actionGroups, serverOfEntity } from "./vocabulary.ts";

/** Some rules, parsed and kept by Cedar under `name`. */
export interface Slice {
  readonly name: string;
  readonly rules: readonly Rule[];
}

/** The one server that a rule is about by its scope; undefined when it is about all. */
export function serverOfRule(rule: Rule): string | undefined {
  const entity = scopeEntity(rule.json.resource);
  return entity && serverOfEntity(entity);
}

/** The one tool, prompt or resource that a rule is about by its scope. */
export function targetOfRule(rule: Rule): string | undefined {
  const entity = scopeEntity(rule.json.resource);
  return entity && entity.type !== "Server" ? entityKey(entity) : undefined;
}

export function entityKey(entity: TypeAndId): string {
  return `${entity.type}::${entity.id}`;
}

/** Cedar keeps the set for the life of the process; names come from the policies' digest, so equal sets share one. */
export function preparse(name: string, rules: readonly Rule[]): Slice {
  const staticPolicies = Object.fromEntries(rules.map((rule) => [rule.id, inSlice(rule.json)]));
  const answer = preparsePolicySet(name, { staticPolicies });
  if (answer.type === "failure")
    throw new PolicyError(answer.errors[0]?.message ?? "Cedar did not accept the policies", {
      file: name,
      line: 0,
      column: 0,
      source: "",
    });
  return { name, rules };
}

/**
 * The rule as it reads among rules of one server: `resource in Server::"orders"` holds for everything there and goes, an
 * action group becomes the list of its members. So no entity has to be handed to Cedar with a question.
 */
export function inSlice(json: PolicyJson): PolicyJson {
  return { ...json, action: flatAction(json.action), resource: flatResource(json.resource) };
}

function flatAction(constraint: ActionConstraint): ActionConstraint {
  if (constraint.op !== "in") return constraint;
  const named = "entities" in constraint ? constraint.entities : [constraint.entity];
  const ids = named.map((entity) => typeAndId(entity).id);
  const members = new Set(ids.flatMap((id) => [id, ...(actionGroups.get(id) ?? [])]));
  return { op: "in", entities: [...members].map((id) => ({ type: "Action", id })) };
}

function flatResource(constraint: ResourceConstraint): ResourceConstraint {
  const entity = scopeEntity(constraint);
  if (entity?.type !== "Server" || constraint.op === "==") return constraint;
  return constraint.op === "is" ? { op: "is", entity_type: constraint.entity_type } : { op: "All" };
}

/** Whether the rule's scope covers a question; its conditions are another matter. */
export function scopeCovers(
  rule: Rule,
  agent: string,
  question: { action: string; resource: TypeAndId },
): boolean {
  const { principal, action, resource } = inSlice(rule.json);
  return (
    coversEntity(principal, { type: "Agent", id: agent }) &&
    coversAction(action, question.action) &&
    coversEntity(resource, question.resource)
  );
}

function coversAction(constraint: ActionConstraint, action: string): boolean {
  switch (constraint.op) {
    case "All":
      return true;
    case "==":
      return "entity" in constraint && typeAndId(constraint.entity).id === action;
    case "in":
      return (
        "entities" in constraint && constraint.entities.some((entity) => typeAndId(entity).id === action)
      );
  }
}

function coversEntity(constraint: PrincipalConstraint | ResourceConstraint, entity: TypeAndId): boolean {
  const named = scopeEntity(constraint);
  if (named && entityKey(named) !== entityKey(entity)) return false;
  return constraint.op !== "is" || constraint.entity_type === entity.type;
}
