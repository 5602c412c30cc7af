import { z } from "zod";

/** Who may see a field: anyone who reads a log, an operator, or nobody. */
export type Sensitivity = "public" | "sensitive" | "secret";

const labels = z.registry<{ sensitivity: Sensitivity }>();

/** Anyone who can read a log may see this. */
export function open<T extends z.ZodType>(schema: T): T {
  labels.add(schema, { sensitivity: "public" });
  return schema;
}

/** An operator may see this: names of people, arguments' digests. */
export function sensitive<T extends z.ZodType>(schema: T): T {
  labels.add(schema, { sensitivity: "sensitive" });
  return schema;
}

/** Unlabelled means secret: a forgotten label hides a field, it never shows one. */
export function sensitivityOf(schema: z.ZodType): Sensitivity {
  return labels.get(schema)?.sensitivity ?? "secret";
}

/**
 * A copy of a message in which every field above `clearance` is replaced by its label. Fields that the schema does not
 * know are left out.
 */
export function redact(
  schema: z.ZodObject,
  value: unknown,
  clearance: "public" | "sensitive",
): Record<string, unknown> {
  const source = (value ?? {}) as Record<string, unknown>;
  const shown: Record<string, unknown> = {};
  for (const [key, field] of Object.entries(schema.shape)) {
    if (!(key in source)) continue;
    const label = sensitivityOf(field as z.ZodType);
    const visible = label === "public" || (label === "sensitive" && clearance === "sensitive");
    shown[key] = visible ? source[key] : `[${label}]`;
  }
  return shown;
}
