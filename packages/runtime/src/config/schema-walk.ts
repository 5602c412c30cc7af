import type { z } from "zod";

/** The parts of a zod definition that lead to the schemas inside it. */
interface Definition {
  type: string;
  innerType?: z.core.$ZodType;
  in?: z.core.$ZodType;
  shape?: Record<string, z.core.$ZodType>;
  element?: z.core.$ZodType;
  valueType?: z.core.$ZodType;
  options?: readonly z.core.$ZodType[];
}

/** The schemas a value may meet first: wrappers (optional, default, transform) taken off, unions laid open. */
export function bare(schema: z.core.$ZodType): z.core.$ZodType[] {
  const def = schema._zod.def as Definition;
  if (def.innerType !== undefined) return bare(def.innerType);
  if (def.type === "pipe" && def.in !== undefined) return bare(def.in);
  if (def.type === "union") return (def.options ?? []).flatMap(bare);
  return [schema];
}

/** The keys that an object schema knows. */
export function keysOf(schemas: readonly z.core.$ZodType[]): string[] {
  return [...new Set(schemas.flatMap((schema) => Object.keys((schema._zod.def as Definition).shape ?? {})))];
}

/** The schemas one key further down. */
export function under(schemas: readonly z.core.$ZodType[], key: PropertyKey): z.core.$ZodType[] {
  return schemas.flatMap((schema) => {
    const { shape, element, valueType } = schema._zod.def as Definition;
    const child = shape === undefined ? (element ?? valueType) : shape[String(key)];
    return child === undefined ? [] : bare(child);
  });
}

export function at(schema: z.core.$ZodType, path: readonly PropertyKey[]): z.core.$ZodType[] {
  return path.reduce(under, bare(schema));
}

/** Whether a text is taken as it is, with no YAML reading of `5` or `true`. */
export function takesText(schemas: readonly z.core.$ZodType[]): boolean {
  return schemas.some((schema) => ["string", "enum", "literal", "unknown"].includes(schema._zod.def.type));
}
