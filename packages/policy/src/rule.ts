import type {
  CedarValueJson,
  DetailedError,
  EntityUidJson,
  Expr,
  PolicyJson,
  PrincipalConstraint,
  ResourceConstraint,
  TypeAndId,
} from "@cedar-policy/cedar-wasm/nodejs";
import { policySetTextToParts, policyToJson } from "@cedar-policy/cedar-wasm/nodejs";
import { type ArgumentRead, argumentReads, operands, valuesIn } from "./expression.ts";
import { type Place, PolicyError, type PolicyFile, placeAt } from "./policy-error.ts";

/** One policy, read and named. */
export interface Rule {
  readonly id: string;
  readonly reason: string | undefined;
  readonly effect: "permit" | "forbid";
  readonly json: PolicyJson;
  /** The arguments that its conditions look at. */
  readonly reads: readonly ArgumentRead[];
  readonly file: PolicyFile;
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly place: Place;
}

const MAX_POLICIES = 10_000;

/** The rules of one file in the order in which they are written. */
export function rulesOf(file: PolicyFile): readonly Rule[] {
  const parts = policySetTextToParts(file.text);
  if (parts.type === "failure") throw syntaxError(file, parts.errors, 0);
  if (parts.policies.length > MAX_POLICIES)
    throw new PolicyError(`a file may hold ${MAX_POLICIES} policies`, {
      file: file.name,
      line: 0,
      column: 0,
      source: "",
    });
  if (parts.policy_templates.length > 0)
    throw new PolicyError(
      "a policy with ?principal or ?resource is a template, and nothing fills templates in here",
      {
        ...placeAt(file, 0),
        source: parts.policy_templates[0] ?? "",
      },
    );
  return withOffsets(file, parts.policies).map(({ text, offset }) => ruleOf(file, text, offset));
}

/**
 * Cedar gives a file's policies as they are written, but sorted by ids of its own: "policy0", "policy1", "policy10",
 * "policy2". The same sort here says which is which.
 */
function withOffsets(
  file: PolicyFile,
  texts: readonly string[],
): readonly { text: string; offset: number }[] {
  const bytes = Buffer.from(file.text);
  const written: string[] = [];
  const ids = [...texts.keys()].sort((a, b) => (`policy${a}` < `policy${b}` ? -1 : 1));
  texts.forEach((text, index) => {
    written[ids[index] ?? index] = text;
  });
  let from = 0;
  return written.map((text) => {
    const offset = bytes.indexOf(text, from);
    from = offset + Buffer.byteLength(text);
    return { text, offset };
  });
}

function ruleOf(file: PolicyFile, text: string, offset: number): Rule {
  const place = placeAt(file, offset);
  const parsed = policyToJson(text);
  if (parsed.type === "failure") throw syntaxError(file, parsed.errors, offset);
  const { id, reason, ...others } = parsed.json.annotations ?? {};
  const [unknown] = Object.keys(others);
  if (unknown === "approve")
    throw new PolicyError("@approve is reserved: calls cannot be held for a person's approval yet", place);
  if (unknown !== undefined)
    throw new PolicyError(`unknown annotation @${unknown}; known are @id and @reason`, place);
  if (!id || !/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(id))
    throw new PolicyError(
      'a policy needs @id("…"): 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit',
      place,
    );
  if (reason !== undefined && (!reason || reason.length > 512))
    throw new PolicyError("@reason must be 1 to 512 characters, or be left out", place);
  return {
    id,
    reason: reason ?? undefined,
    effect: parsed.json.effect,
    json: parsed.json,
    reads: parsed.json.conditions.flatMap((condition) => argumentReads(condition.body)),
    file,
    offset,
    place,
  };
}

/** Cedar lists what it stumbled over in several places; the earliest is where to look. */
function syntaxError(file: PolicyFile, errors: readonly DetailedError[], offset: number): PolicyError {
  const all = errors.flatMap((error) => [error, ...(error.related ?? [])]);
  const start = (error: DetailedError) => error.sourceLocations?.[0]?.start ?? 0;
  const first = [...all].sort((a, b) => start(a) - start(b))[0];
  if (!first) return new PolicyError("not a Cedar policy", placeAt(file, offset));
  const help = first.help === null ? "" : ` (${first.help})`;
  return new PolicyError(`${first.message}${help}`, placeAt(file, offset + start(first)));
}

/** The entities named in the scope for a principal or resource. */
export function scopeEntity(constraint: PrincipalConstraint | ResourceConstraint): TypeAndId | undefined {
  if ("entity" in constraint) return typeAndId(constraint.entity);
  if (constraint.op === "is" && constraint.in && "entity" in constraint.in)
    return typeAndId(constraint.in.entity);
  return undefined;
}

export function typeAndId(entity: EntityUidJson): TypeAndId {
  return "__entity" in entity ? entity.__entity : entity;
}

/** Every constant of an expression. */
export function constantsOf(expression: Expr): readonly CedarValueJson[] {
  return "Value" in expression ? valuesIn(expression.Value) : operands(expression).flatMap(constantsOf);
}
