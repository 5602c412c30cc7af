import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { ConfigError, type ConfigProblem } from "./config-error.ts";
import { inConfigFolder } from "./config-folder.ts";
import { type Environment, envOverrides, type Override } from "./env-overrides.ts";
import { explainIssue } from "./explain-issue.ts";
import { readYamlFile } from "./yaml-file.ts";

export interface ConfigSource {
  /** The YAML file. Paths inside it are relative to its folder. */
  file: string;
  /** Defaults to the process's environment; this module alone reads it. */
  env?: Environment;
  /** Settings of the caller, stronger than file and environment: `{ "log.level": "debug" }`. */
  overrides?: Readonly<Record<string, unknown>>;
}

/**
 * Settings of a process: file, then environment, then overrides, checked by a strict schema. Throws one ConfigError
 * that names every problem with its place, what was found and what is expected.
 */
export function loadConfig<S extends z.ZodType>(schema: S, source: ConfigSource): z.output<S> {
  const yaml = readYamlFile(source.file);
  const fromEnv = envOverrides(schema, source.env ?? process.env);
  const given = Object.entries(source.overrides ?? {}).map(([path, value]) => ({
    path: path.split("."),
    value,
    variable: "override",
  }));
  const overrides = [...fromEnv.overrides, ...given];
  const value = overrides.reduce<unknown>(
    (settings, { path, value }) => withValue(settings, path, value),
    yaml.value,
  );
  const folder = dirname(resolve(source.file));
  const result = inConfigFolder(folder, () => schema.safeParse(value, { reportInput: true }));
  if (result.success && fromEnv.problems.length === 0) return result.data;
  const found = (result.error?.issues ?? []).flatMap((issue): ConfigProblem[] =>
    explainIssue(schema, issue as z.core.$ZodIssue).map(({ path, what }) => ({
      where: overrideAt(overrides, path)?.variable ?? yaml.where(path),
      setting: path.map(String).join("."),
      what,
    })),
  );
  throw new ConfigError([...fromEnv.problems, ...found]);
}

/** A copy of the settings with one value set; mappings on the way are made where they are missing. */
function withValue(settings: unknown, path: readonly string[], value: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  const base = typeof settings === "object" && settings !== null && !Array.isArray(settings) ? settings : {};
  return { ...base, [key]: withValue((base as Record<string, unknown>)[key], rest, value) };
}

/** The last override that set this path or a part of it. */
function overrideAt(overrides: readonly Override[], path: readonly PropertyKey[]): Override | undefined {
  return overrides.findLast((override) => override.path.every((key, index) => path[index] === key));
}
