import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Answer, denial, invalid, unavailable } from "./deny.ts";

const body = (answer: Answer): unknown => JSON.parse(answer.body);

describe("an answer made here", () => {
  it("names the rule that denied, under the request's id, in a body that SDK clients read", () => {
    const answer = denial({
      ...{ id: "a", source: "connector", ruleId: "orders-write" },
      reason: "orders are read-only",
    });
    expect(answer).toMatchObject({ status: 200, headers: { "content-type": "application/json" } });
    expect(body(answer)).toEqual({
      jsonrpc: "2.0",
      id: "a",
      error: {
        code: -31403,
        message: 'Denied by policy rule "orders-write": orders are read-only',
        data: {
          sallyport: {
            code: "denied",
            source: "connector",
            retryable: false,
            rule: "orders-write",
            reason: "orders are read-only",
          },
        },
      },
    });
  });

  it("to a notification speaks through its status and has no id", () => {
    const denied = denial({
      ...{ id: undefined, source: "runner", ruleId: undefined },
      reason: "no rule allows it",
    });
    expect(denied.status).toBe(403);
    expect(body(denied)).toMatchObject({
      error: { message: "Denied by policy: no rule allows it", data: { sallyport: { source: "runner" } } },
    });
    expect(body(denied)).not.toHaveProperty("id");
    const statuses = (["unavailable", "timeout", "exhausted", "internal"] as const).map(
      (code) => unavailable({ id: undefined, code, source: "relay", retryable: true, reason: "x" }).status,
    );
    expect(statuses).toEqual([503, 504, 429, 500]);
  });

  it("says which zone gave up and whether to try again", () => {
    const answer = unavailable({
      id: 0,
      code: "timeout",
      source: "upstream",
      retryable: false,
      reason: "no answer in 30 s",
    });
    expect(answer.status).toBe(200);
    expect(body(answer)).toMatchObject({
      id: 0,
      error: { code: -31503, data: { sallyport: { code: "timeout", source: "upstream", retryable: false } } },
    });
    expect(body(unavailable({ id: 0, source: "edge", retryable: true, reason: "" }))).toMatchObject({
      error: { data: { sallyport: { code: "unavailable" } } },
    });
  });

  it("keeps status and code of a refusal", () => {
    const answer = invalid({ status: 400, code: -32020, message: "Mcp-Name is missing", id: 3 }, "edge");
    expect(answer.status).toBe(400);
    expect(body(answer)).toMatchObject({ id: 3, error: { code: -32020, message: "Mcp-Name is missing" } });
    expect(body(invalid({ status: 413, code: -32600, message: "m" }, "edge"))).not.toHaveProperty("id");
  });

  it("stays printable and bounded whatever its reason says", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 3000 }), (text) => {
        const answers = [
          denial({ id: 1, source: "connector", ruleId: text, reason: text }),
          unavailable({ id: 1, source: "upstream", retryable: false, reason: text }),
        ];
        for (const answer of answers) {
          expect(answer.body).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
          expect(answer.body.length).toBeLessThan(4096);
        }
      }),
    );
  });
});
