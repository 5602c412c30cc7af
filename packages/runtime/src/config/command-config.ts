import { existsSync } from "node:fs";
import type { z } from "zod";
import { ConfigError } from "./config-error.ts";
import type { Environment } from "./env-overrides.ts";
import { loadConfig } from "./load-config.ts";

export interface CommandConfigSource {
  /** What `--config` says. A file that is named must be there. */
  file?: string | undefined;
  /** Where to look when neither `--config` nor SALLYPORT_CONFIG names a file; the first that exists is read. */
  places: readonly string[];
  /** Defaults to the process's environment. */
  env?: Environment;
}

/**
 * Settings of a command line, and the file they came from: that of `--config`, else of SALLYPORT_CONFIG, else the first
 * place that has one.
 */
export function loadCommandConfig<S extends z.ZodType>(
  schema: S,
  source: CommandConfigSource,
): { settings: z.output<S>; file: string } {
  const { SALLYPORT_CONFIG: named, ...env } = source.env ?? process.env;
  const file = source.file ?? (named || source.places.find((place) => existsSync(place)));
  if (file === undefined) {
    const what =
      "no configuration was found; give --config FILE, set SALLYPORT_CONFIG, or write one of these";
    throw new ConfigError([{ where: source.places.join(", "), setting: "", what }]);
  }
  return { settings: loadConfig(schema, { file, env }), file };
}
