import { inspect } from "node:util";
import { expect, test } from "vitest";
import { Secret } from "../secret/secret.ts";
import { createLog } from "./logger.ts";

const secretText = "hunter2-correct-horse";

function capture(write: (log: ReturnType<typeof createLog>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(
    createLog({
      zone: "edge",
      instance: "e1",
      level: "info",
      to: { write: (line) => void lines.push(line) },
    }),
  );
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const text = (lines: unknown) => JSON.stringify(lines);

test("a line is one JSON object with level, time, zone and instance", () => {
  const [line] = capture((log) => log.info({ call: 1 }, "served"));
  expect(line).toMatchObject({ level: "info", zone: "edge", instance: "e1", call: 1, msg: "served" });
  expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT/);
});

test("levels below the configured one are not written", () => {
  expect(capture((log) => log.debug("quiet"))).toEqual([]);
});

test("a secret never prints: template, JSON, inspect, keys, spread, clone, log, error", () => {
  const secret = Secret.fromText(secretText);
  const shown = [
    `${secret}`,
    `${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret, { showHidden: true, depth: 9 }),
    inspect({ nested: [secret] }),
    Object.keys(secret).join(),
    JSON.stringify({ ...secret }),
    JSON.stringify(structuredClone(secret)),
    new Error(`failed with ${secret}`, { cause: secret }).message,
    text(
      capture((log) => {
        log.info({ secret, deep: { list: [secret] } }, "with %s and %o", secret, secret);
        log.error(new Error(`failed with ${secret}`, { cause: secret }));
        log.child({ secret, bound: secret }).info("child");
      }),
    ),
  ];
  for (const output of shown) expect(output).not.toContain("hunter2");
  expect(text(shown)).not.toContain(Buffer.from(secretText).toString("base64"));
  expect(text(shown)).not.toContain(`${secretText.charCodeAt(0)},${secretText.charCodeAt(1)}`);
});

test("a wiped secret is overwritten in place and cannot be revealed", () => {
  const bytes = new TextEncoder().encode(secretText);
  const secret = new Secret(bytes);
  expect(secret.revealText()).toBe(secretText);
  secret.wipe();
  expect(bytes.every((byte) => byte === 0)).toBe(true);
  expect(() => secret.reveal()).toThrow("wiped");
});

test.each([
  "authorization",
  "Authorization",
  "proxy_authorization",
  "Set-Cookie",
  "password",
  "token",
  "access_token",
  "refreshToken",
  "clientSecret",
  "client_secret",
  "apiKey",
  "x-api-key",
  "privateKey",
  "seed",
])("the value of %s is redacted however deep", (key) => {
  const lines = capture((log) => {
    log.info({ [key]: secretText });
    log.info({ a: { b: [{ [key]: secretText }] } });
    log.child({ [key]: secretText }).info("child");
  });
  expect(text(lines)).not.toContain("hunter2");
});

test("keys that only sound like a secret keep their value", () => {
  const [line] = capture((log) =>
    log.info({ tokens: 5, credential: "github", secretName: "x", keyId: "k1" }),
  );
  expect(line).toMatchObject({ tokens: 5, credential: "github", secretName: "x", keyId: "k1" });
});

test("bearer values, basic values and JWTs inside any text are redacted", () => {
  const jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZ2VudCJ9.c2lnbmF0dXJl";
  const lines = capture((log) => {
    log.info("upstream said: Bearer abcdefgh12345678");
    log.error(new Error(`header "Authorization: Basic dXNlcjpodW50ZXIy" refused`));
    log.info({ url: `https://x/?t=${jwt}` });
  });
  for (const leak of ["abcdefgh12345678", "dXNlcjpodW50ZXIy", jwt]) expect(text(lines)).not.toContain(leak);
  expect(lines).toHaveLength(3);
});

test("an error is logged with its detail, code and causes", () => {
  const cause = new Error("ECONNREFUSED");
  const error = Object.assign(new Error("vault is away", { cause }), {
    code: "unavailable",
    detail: "at 10.0.0.1",
  });
  const [line] = capture((log) => log.error({ err: error }, "lease failed"));
  expect(line?.err).toMatchObject({
    type: "Error",
    message: "vault is away",
    code: "unavailable",
    detail: "at 10.0.0.1",
    cause: { message: "ECONNREFUSED" },
  });
});

test("text cannot forge a second line", () => {
  const lines: string[] = [];
  const log = createLog({ zone: "edge", level: "info", to: { write: (line) => void lines.push(line) } });
  log.info({ tool: 'x\n{"level":"info","msg":"forged"}' }, "a\r\nb\u2028c");
  expect(lines).toHaveLength(1);
  expect(lines[0]?.trimEnd().split("\n")).toHaveLength(1);
});

test("a line stays bounded: long text, deep objects, circles and long lists are cut", () => {
  const circle: Record<string, unknown> = { list: Array.from({ length: 5000 }, () => "entry") };
  circle.self = circle;
  const [line] = capture((log) => log.info({ circle, long: "x".repeat(100_000), bytes: new Uint8Array(9) }));
  expect(text(line).length).toBeLessThan(64 * 1024);
  expect(line?.bytes).toBe("[9 bytes]");
});
