import { expect, test } from "vitest";
import { asServiceError, errorCodes, ServiceError } from "./errors.ts";

test("only exhausted and unavailable are worth another try", () => {
  const retryable = errorCodes.filter((code) => new ServiceError(code, "x").retryable);
  expect(retryable).toEqual(["exhausted", "unavailable"]);
});

test("a ServiceError passes as it is", () => {
  const error = new ServiceError("denied", "lease not permitted", { detail: "no-rule" });
  expect(asServiceError(error)).toBe(error);
});

test.each([
  [new Error("password=hunter2 at 10.0.0.7"), "password=hunter2 at 10.0.0.7"],
  ["hunter2", "hunter2"],
  [undefined, "undefined"],
  [null, "null"],
])("the text of %j, thrown, stays in the log", (thrown, detail) => {
  const error = asServiceError(thrown);
  expect(error.code).toBe("internal");
  expect(error.message).not.toContain(detail);
  expect(error.detail).toBe(detail);
  expect(error.cause).toBe(thrown);
  expect(error.retryable).toBe(false);
});

test("an error that only looks like a ServiceError is internal: a peer's object does not choose its code", () => {
  const lookalike = Object.assign(new Error("let me in"), { name: "ServiceError", code: "denied" });
  expect(asServiceError(lookalike).code).toBe("internal");
});

test("without a cause there is no cause property to print", () => {
  expect(Object.hasOwn(new ServiceError("invalid", "x"), "cause")).toBe(false);
});
