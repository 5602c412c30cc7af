import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { open, redact, sensitive, sensitivityOf } from "./fields.ts";

const message = z.object({
  id: open(z.string()),
  agent: sensitive(z.string()),
  grant: z.string(),
  note: open(z.string()).optional(),
});
const value = { id: "7", agent: "ada", grant: "eyJ", note: "hello" };

test("an unlabelled field is a secret", () => {
  expect(sensitivityOf(z.string())).toBe("secret");
  expect(redact(message, value, "public").grant).toBe("[secret]");
  expect(redact(message, value, "sensitive").grant).toBe("[secret]");
});

test("a sensitive field is shown to an operator and to nobody else", () => {
  expect(redact(message, value, "sensitive").agent).toBe("ada");
  expect(redact(message, value, "public").agent).toBe("[sensitive]");
});

test("a public field is shown; a label inside `optional` does not count for the field around it", () => {
  expect(redact(message, value, "public").id).toBe("7");
  expect(redact(message, value, "public").note).toBe("[secret]");
});

test("a field that the schema does not know is left out, an absent one is not made up", () => {
  const shown = redact(message, { id: "7", password: "hunter2" }, "sensitive");
  expect(shown).toEqual({ id: "7" });
});

test.each([undefined, null, {}])("a message of %j shows nothing", (nothing) => {
  expect(redact(message, nothing, "sensitive")).toEqual({});
});

test("whatever a secret field holds, nothing of it is shown", () => {
  fc.assert(
    fc.property(fc.anything(), (secret) => {
      expect(redact(z.object({ secret: z.unknown() }), { secret }, "sensitive")).toEqual({
        secret: "[secret]",
      });
    }),
  );
});
