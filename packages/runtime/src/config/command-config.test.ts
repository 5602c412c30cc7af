import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { loadCommandConfig } from "./command-config.ts";

const schema = z.strictObject({ name: z.string() });
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "command-config-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string): string {
  const file = join(folder, `${name}.yaml`);
  writeFileSync(file, `name: ${name}`);
  return file;
}

test("the named file comes first, then that of the environment, then the first place that has one", () => {
  const [option, variable, here] = [write("option"), write("variable"), write("here")];
  const places = [join(folder, "none.yaml"), here, variable];
  const env = { SALLYPORT_CONFIG: variable };
  const load = (source: object) => loadCommandConfig(schema, { places, env: {}, ...source });
  expect(load({ file: option, env })).toEqual({ settings: { name: "option" }, file: option });
  expect(load({ env }).settings.name).toBe("variable");
  expect(load({}).settings.name).toBe("here");
  expect(load({ env: { SALLYPORT_CONFIG: "" } }).settings.name).toBe("here");
});

test("a file that is named must be there: the next place is not taken instead", () => {
  const places = [write("here")];
  expect(() => loadCommandConfig(schema, { file: join(folder, "gone.yaml"), places, env: {} })).toThrow(
    "no such file",
  );
  const env = { SALLYPORT_CONFIG: join(folder, "gone.yaml") };
  expect(() => loadCommandConfig(schema, { places, env })).toThrow("no such file");
});

test("without any file the places are told", () => {
  const places = [join(folder, "a.yaml"), join(folder, "b.yaml")];
  expect(() => loadCommandConfig(schema, { places, env: {} })).toThrow(
    /a\.yaml, \S+b\.yaml {2}no configuration/,
  );
});

test("the other variables of the environment still set settings", () => {
  const env = { SALLYPORT_NAME: "from the environment" };
  expect(loadCommandConfig(schema, { places: [write("here")], env }).settings.name).toBe(
    "from the environment",
  );
});
