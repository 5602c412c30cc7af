import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { SecretFile, secretFile } from "../secret/secret-file.ts";
import { ConfigError } from "./config-error.ts";
import { loadConfig } from "./load-config.ts";
import { appConfig } from "./process-settings.ts";
import { byteSize, duration, filePath } from "./setting-types.ts";

const schema = z.strictObject({
  nats: z.strictObject({ url: z.url(), seed: secretFile().optional() }),
  limits: z
    .strictObject({ body: byteSize({ max: "4MiB" }).default(1024), idle: duration({ min: "1s" }).optional() })
    .prefault({}),
  mode: z.enum(["open", "closed"]).default("closed"),
  sampleRatio: z.number().min(0).max(1).default(1),
  state: filePath().optional(),
  routes: z
    .array(
      z.discriminatedUnion("kind", [
        z.strictObject({ kind: z.literal("http"), url: z.string() }),
        z.strictObject({ kind: z.literal("stdio"), command: z.string() }),
      ]),
    )
    .max(2)
    .default([]),
});

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "config-"));
  file = join(folder, "edge.yaml");
});
afterEach(() => rmSync(folder, { recursive: true }));

const good = "nats: { url: nats://127.0.0.1:4222 }\n";

function load(yaml: string, env: Record<string, string> = {}) {
  writeFileSync(file, yaml);
  return loadConfig(schema, { file, env });
}

/** The error's lines without the temporary folder. */
function problems(yaml: string, env: Record<string, string> = {}): string[] {
  try {
    load(yaml, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ where, setting, what }) =>
      `${where} | ${setting} | ${what}`.replaceAll(`${folder}/`, ""),
    );
  }
  throw new Error("the configuration was taken");
}

test("a good file gives typed settings with defaults, durations and sizes", () => {
  const config = load(`${good}limits: { body: 2MiB, idle: 5m }\nstate: ./db\n`);
  expect(config).toMatchObject({ mode: "closed", limits: { body: 2 * 1024 ** 2, idle: 300_000 } });
  expect(config.state).toBe(join(folder, "db"));
});

test("an unknown key is refused where it stands, with the nearest known one", () => {
  expect(problems(`${good}limits:\n  bodi: 1KiB\n`)).toEqual([
    "edge.yaml:3:3 | limits.bodi | unknown setting; did you mean body?",
  ]);
  expect(problems(`${good}telemetry: {}\n`)[0]).toContain("unknown setting; known here: nats, limits, mode");
});

test("every problem is told with what was found and what is expected", () => {
  expect(problems("nats: { url: 5 }\nmode: ajar\nsampleRatio: 2\nroutes: [{ kind: http }]\n")).toEqual([
    "edge.yaml:1:9 | nats.url | found 5; expected string",
    'edge.yaml:2:1 | mode | found "ajar"; expected one of open, closed',
    "edge.yaml:3:1 | sampleRatio | found 2; expected at most 1",
    "edge.yaml:4:10 | routes.0.url | missing; expected string",
  ]);
  expect(problems("{}")).toEqual(["edge.yaml:1:1 | nats | missing; expected object"]);
});

test("the wrong kind of a choice names the kinds there are", () => {
  expect(problems(`${good}routes: [{ kind: grpc }]\n`)).toEqual([
    'edge.yaml:2:12 | routes.0.kind | found "grpc"; expected one of http, stdio',
  ]);
  expect(problems(`${good}routes: [{ kind: http, url: a, ulr: b }]\n`)).toEqual([
    "edge.yaml:2:32 | routes.0.ulr | unknown setting; did you mean url?",
  ]);
});

test("a duration or size out of bounds or of another form is refused", () => {
  expect(problems(`${good}limits: { idle: 10ms }\n`)[0]).toContain('found "10ms"; expected at least 1s');
  expect(problems(`${good}limits: { body: 5MiB }\n`)[0]).toContain("expected at most 4MiB");
  expect(problems(`${good}limits: { body: 5 }\n`)[0]).toContain("found 5; expected string");
  expect(problems(`${good}limits: { body: 5constructor }\n`)[0]).toContain("a size like 512B");
  expect(problems(`${good}limits: { idle: -5s }\n`)[0]).toContain("a duration like 250ms");
});

test("broken YAML is placed, and a key given twice is broken YAML", () => {
  expect(problems("nats:\n  url: [\n")[0]).toMatch(/^edge\.yaml:\d+:\d+ \| {2}\| /);
  expect(problems(`${good}mode: open\nmode: closed\n`)[0]).toMatch(/^edge\.yaml:3:1 .*unique/);
});

test("an alias of nothing, and aliases that would grow without end, are problems of the file", () => {
  expect(problems("mode: *nothing\n")[0]).toContain("alias");
  const level = (n: number) => `l${n}: &l${n} [${Array.from({ length: 9 }, () => `*l${n - 1}`).join(", ")}]`;
  const bomb = ["l0: &l0 [x]", ...Array.from({ length: 9 }, (_, n) => level(n + 1))].join("\n");
  expect(problems(bomb)[0]).toContain("alias");
});

test("a file that is not there is one clear problem", () => {
  expect(() => loadConfig(schema, { file: join(folder, "none.yaml"), env: {} })).toThrow("no such file");
});

test("environment variables override settings and are named in the problem they cause", () => {
  const env = { SALLYPORT_NATS__URL: "tls://relay:4222", SALLYPORT_SAMPLE_RATIO: "0.5", HOME: "/" };
  expect(load(good, env)).toMatchObject({ nats: { url: "tls://relay:4222" }, sampleRatio: 0.5 });
  expect(load("{}", { SALLYPORT_NATS__URL: "tls://relay:4222" }).nats.url).toBe("tls://relay:4222");
  expect(problems(good, { SALLYPORT_SAMPLE_RATIO: "lots" })).toEqual([
    'SALLYPORT_SAMPLE_RATIO | sampleRatio | found "lots"; expected number',
  ]);
  expect(problems(good, { SALLYPORT_NATS__ULR: "x" })).toEqual([
    "SALLYPORT_NATS__ULR | nats | unknown setting; did you mean url?",
  ]);
});

test("the caller's overrides are stronger than the environment", () => {
  writeFileSync(file, good);
  const env = { SALLYPORT_MODE: "open" };
  expect(loadConfig(schema, { file, env, overrides: { mode: "closed" } }).mode).toBe("closed");
});

test("a password in a URL is not repeated in an error", () => {
  const wrong = problems(`${good}mode: nats://user:hunter2@relay\n`)[0];
  expect(wrong).toContain("//…@relay");
  expect(wrong).not.toContain("hunter2");
});

test("a secret is read from a file that only the owner can read, every time anew", async () => {
  const path = join(folder, "nats.seed");
  writeFileSync(path, "s3cret\n", { mode: 0o600 });
  for (const setting of ["nats.seed", "{ file: nats.seed }", path]) {
    const { seed } = load(`nats: { url: nats://h, seed: ${setting} }\n`).nats;
    expect(seed).toBeInstanceOf(SecretFile);
    expect((await seed?.read())?.revealText()).toBe("s3cret");
  }
  const { seed } = load("nats: { url: nats://h, seed: nats.seed }\n").nats;
  writeFileSync(path, "rotated");
  expect((await seed?.read())?.revealText()).toBe("rotated");
  chmodSync(path, 0o644);
  await expect(seed?.read()).rejects.toThrow("chmod 600");
});

test.each([0o644, 0o640, 0o660, 0o601])("a secret file that others can reach (%o) is refused", (mode) => {
  const path = join(folder, "nats.seed");
  writeFileSync(path, "s3cret");
  chmodSync(path, mode);
  const [problem] = problems("nats: { url: nats://h, seed: nats.seed }\n");
  expect(problem).toContain(`has mode 0${mode.toString(8)}`);
  expect(problem).toContain("run chmod 600 nats.seed");
});

test("a secret written inline is refused and not repeated", () => {
  const inline = [
    "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
    "abc/def+ghi=",
    "'-----BEGIN\\nKEY'",
    '"tooshort\\0andNUL"',
    "longer".repeat(60),
  ];
  for (const secret of inline) {
    const [problem] = problems(`nats: { url: nats://h, seed: ${secret} }\n`);
    expect(problem).toContain("not the secret itself");
    expect(problem).not.toContain(secret.slice(1, 8));
  }
  expect(problems("nats: { url: nats://h, seed: { value: hunter2 } }\n")[0]).not.toContain("hunter2");
});

test("a folder, an empty file and a huge file are no secret", () => {
  expect(problems("nats: { url: nats://h, seed: . }\n")[0]).toContain("not a regular file");
  writeFileSync(join(folder, "empty"), "", { mode: 0o600 });
  expect(problems("nats: { url: nats://h, seed: empty }\n")[0]).toContain("is empty");
  writeFileSync(join(folder, "huge"), Buffer.alloc(65 * 1024), { mode: 0o600 });
  expect(problems("nats: { url: nats://h, seed: huge }\n")[0]).toContain("larger than");
});

test("what an app's own settings leave out has a safe default, and unknown keys stay refused", () => {
  writeFileSync(file, "own: 1\n");
  const config = loadConfig(appConfig({ own: z.number() }), { file, env: {} });
  expect(config).toMatchObject({ own: 1, log: { level: "info" }, telemetry: { sampleRatio: 1 } });
  expect(config.instance).toMatch(/^[A-Za-z0-9_-]{1,64}$/);
  writeFileSync(file, "own: 1\nhealth: { prt: 1 }\n");
  expect(() => loadConfig(appConfig({ own: z.number() }), { file, env: {} })).toThrow("did you mean port?");
});

test("whatever a file holds, it loads or throws a ConfigError", () => {
  const key = fc.constantFrom(
    "nats",
    "url",
    "seed",
    "mode",
    "routes",
    "kind",
    "limits",
    "__proto__",
    "constructor",
  );
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: "small" },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      tie("map"),
      fc.array(tie("node")),
    ),
    map: fc.dictionary(key, tie("node"), { noNullPrototype: true }),
  }));
  const text = fc.oneof(
    fc.string(),
    tree.map.map((value) => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(text, (yaml) => {
      try {
        load(yaml);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }),
    { numRuns: 200 },
  );
});
