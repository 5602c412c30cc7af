import { parse } from "yaml";
import type { z } from "zod";
import type { ConfigProblem } from "./config-error.ts";
import { unknownKey } from "./explain-issue.ts";
import { bare, keysOf, takesText, under } from "./schema-walk.ts";

const prefix = "SALLYPORT_";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Override {
  path: readonly string[];
  value: unknown;
  variable: string;
}

/**
 * The settings in the environment: `SALLYPORT_NATS__URL` is `nats.url`, `SALLYPORT_LOG__LEVEL` is `log.level`. Letter
 * case and single underscores do not count, so `SAMPLE_RATIO` is `sampleRatio`. A variable that names no setting is a
 * problem, not a thing to pass over: a misspelt security setting must not silently keep its default.
 */
export function envOverrides(
  schema: z.core.$ZodType,
  env: Environment,
): { overrides: Override[]; problems: ConfigProblem[] } {
  const overrides: Override[] = [];
  const problems: ConfigProblem[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(prefix) || text === undefined) continue;
    let schemas = bare(schema);
    const path: string[] = [];
    let fault: string | undefined;
    for (const word of variable.slice(prefix.length).split("__")) {
      const known = keysOf(schemas);
      const key = known.find((name) => plain(name) === plain(word));
      if (key === undefined) {
        fault = unknownKey(plain(word), known);
        break;
      }
      path.push(key);
      schemas = under(schemas, key);
    }
    if (fault === undefined)
      overrides.push({ path, value: takesText(schemas) ? text : yamlValue(text), variable });
    else problems.push({ where: variable, setting: path.join("."), what: fault });
  }
  return { overrides, problems };
}

function plain(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}

function yamlValue(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return text;
  }
}
