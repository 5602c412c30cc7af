import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { replaceTokens } from "./token-answer.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";

const endpoint: TokenEndpoint = {
  ...{ name: "auth", scheme: "https", host: "auth.test", port: 443, pathPrefix: "/token" },
  issues: { device_secret: { bindings: [] } },
};

describe("the credentials in a token endpoint's answer", () => {
  it("are replaced wherever they stand, and all else is what it was", () => {
    const names = ["access_token", "refreshToken", "ID-TOKEN", "device_secret"];
    const filled = (secret: string) =>
      fc.letrec((tie) => ({
        any: fc.oneof(
          { depthSize: "small", maxDepth: 6 },
          fc.jsonValue({ maxDepth: 1 }),
          fc.array(tie("any"), { maxLength: 3 }),
          fc.dictionary(fc.string(), tie("any"), { maxKeys: 3 }),
          fc.record(Object.fromEntries(names.map((name) => [name, fc.constantFrom(secret, null, "")]))),
        ),
      })).any;
    const secret = "never-to-be-seen";
    fc.assert(
      fc.property(fc.record({ outer: filled(secret), more: filled(secret) }), (value) => {
        const text = JSON.stringify(value);
        const taken = replaceTokens(text, endpoint, () => "in-its-stead!!!!");
        if (!taken.ok) return; // deeper than answers are
        expect(taken.text).toBe(text.replaceAll(secret, "in-its-stead!!!!"));
      }),
    );
  });

  it("say when they end: the least that is said, in seconds, also as a string", () => {
    const seconds = (text: string) => {
      const taken = replaceTokens(text, endpoint, () => "x");
      return taken.ok ? taken.expiresIn : taken.reason;
    };
    expect(seconds('{"expires_in":60}')).toBe(60);
    expect(seconds('{"expiresIn":"60","authed_user":{"expires_in":30}}')).toBe(30);
    for (const odd of ["-1", '"soon"', "null", "[]", "1e999"])
      expect(seconds(`{"expires_in":${odd}}`), odd).toBe(odd === "1e999" ? Infinity : undefined);
    expect(seconds("{}")).toBeUndefined();
  });

  it("keeps a key of __proto__ a key", () => {
    const text = '{"__proto__":{"access_token":"secret-here"}}';
    expect(replaceTokens(text, endpoint, () => "x")).toMatchObject({
      text: '{"__proto__":{"access_token":"x"}}',
    });
  });
});
