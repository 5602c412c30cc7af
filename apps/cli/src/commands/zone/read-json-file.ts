import { readFileSync, statSync } from "node:fs";
import type { z } from "zod";
import { CommandFailure } from "../../command-failure.ts";

/** A JSON file of that shape, bounded. Throws what says which file and what is wrong with it. */
export function readJsonFile<T>(
  file: string,
  { schema, what, maxBytes }: { schema: z.ZodType<T>; what: string; maxBytes: number },
): T {
  let value: unknown;
  try {
    if (statSync(file).size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    value = JSON.parse(readFileSync(file, "utf8"));
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new CommandFailure("failed", `${file} cannot be read: ${why}`, {
      fix: `name ${what}, whole`,
      cause,
    });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const at = issue?.path.join(".") || "the file";
  throw new CommandFailure("refused", `${file} is not ${what}: ${at}: ${issue?.message}`, {
    fix: "it may be of another version, or changed on its way: ask for a new one",
    cause: parsed.error,
  });
}
