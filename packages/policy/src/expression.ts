import type { CedarValueJson, Expr } from "@cedar-policy/cedar-wasm/nodejs";

/** Where a value stands below `context.arguments`; the empty path is all of them. */
type ArgumentPath = readonly string[];

/** `presence`: only whether it is there, not what it is. */
export interface ArgumentRead {
  readonly path: ArgumentPath;
  readonly presence: boolean;
}

/** The operands of an expression, whatever its operator. */
export function operands(expression: Expr): readonly Expr[] {
  return Object.entries(expression).flatMap(([operator, body]: [string, unknown]) => {
    if (operator === "Value" || operator === "Var" || operator === "Slot") return [];
    if (operator === "Record") return Object.values(body as Record<string, Expr>);
    if (Array.isArray(body)) return body as Expr[]; // Set, and every extension function
    const {
      left,
      right,
      arg,
      if: test,
      then,
      else: otherwise,
      in: parent,
    } = body as Record<string, Expr | undefined>;
    return [left, right, arg, test, then, otherwise, parent].filter((operand) => operand !== undefined);
  });
}

export function operatorOf(expression: Expr): string {
  return Object.keys(expression)[0] ?? "";
}

export function isVariable(expression: Expr | undefined, name: string): boolean {
  return expression !== undefined && "Var" in expression && expression.Var === name;
}

/** `context.arguments.a["b"]` is `["a", "b"]`; undefined for an expression that is not such a chain. */
function argumentPath(expression: Expr): ArgumentPath | undefined {
  const access = accessOf(expression);
  if (!access) return undefined;
  if (isVariable(access.left, "context")) return access.attr === "arguments" ? [] : undefined;
  const parent = argumentPath(access.left);
  return parent && [...parent, access.attr];
}

export function accessOf(expression: Expr): { readonly left: Expr; readonly attr: string } | undefined {
  return "." in expression ? (expression["."] as { left: Expr; attr: string }) : undefined;
}

/** `has` with one attribute or a chain of them. */
export function presenceOf(
  expression: Expr,
): { readonly left: Expr; readonly attrs: readonly string[] } | undefined {
  if (!("has" in expression)) return undefined;
  const { left, attr } = expression.has as { left: Expr; attr: string | string[] };
  return { left, attrs: typeof attr === "string" ? [attr] : attr };
}

/** Every argument that evaluating the expression may look at. */
export function argumentReads(expression: Expr): readonly ArgumentRead[] {
  const path = argumentPath(expression);
  if (path) return [{ path, presence: false }];
  const presence = presenceOf(expression);
  if (presence) {
    const [first, ...rest] = presence.attrs;
    if (isVariable(presence.left, "context"))
      return first === "arguments" ? [{ path: rest, presence: true }] : [];
    const parent = argumentPath(presence.left);
    if (parent) return [{ path: [...parent, ...presence.attrs], presence: true }];
  }
  return operands(expression).flatMap(argumentReads);
}

/** Every value within a constant, itself included; an entity is one value. */
export function valuesIn(value: CedarValueJson): readonly CedarValueJson[] {
  if (typeof value !== "object" || value === null || "__entity" in value) return [value];
  return [value, ...Object.values(value).flatMap((inner) => valuesIn(inner as CedarValueJson))];
}
