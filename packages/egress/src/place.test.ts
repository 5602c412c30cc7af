import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeInEnvironment, placeInRequest } from "./place.ts";

const utf8 = (text: string) => Buffer.from(text);
const fails = expect.objectContaining({ name: "EgressError", code: "header" });
const request = { path: "/mcp", headers: ["accept", "application/json"] };
const material = { value: utf8("s3cret-token"), username: "ada" };

describe("a credential in a header", () => {
  test("stands there with its prefix, and what was given is left as it is", () => {
    const before = structuredClone(request);
    const placement = { in: "header", name: "Authorization", prefix: "Bearer " } as const;
    expect(placeInRequest(placement, material, request)).toEqual({
      path: "/mcp",
      headers: ["accept", "application/json", "Authorization", "Bearer s3cret-token"],
    });
    expect(request).toEqual(before);
  });

  test("takes the place of what the agent put there, in any spelling of the name", () => {
    const headers = ["X-API-Key", "mine", "x_api_key", "mine", "accept", "a", "x-api-key", "mine"];
    const placed = placeInRequest({ in: "header", name: "x-api-key" }, material, { path: "/", headers });
    expect(placed.headers).toEqual(["accept", "a", "x-api-key", "s3cret-token"]);
  });

  test.each(["a\r\nb: c", "a\nb", "a\0b", "a\tb", "a\x7f", "é", " a", "a ", "", "\ufeffa"])(
    "is refused where a header cannot carry it (%j), without being repeated",
    (value) => {
      const place = () => placeInRequest({ in: "header", name: "x-key" }, { value: utf8(value) }, request);
      expect(place).toThrow(fails);
    },
  );

  test("is refused with a message that does not hold it", () => {
    const value = utf8("hunter2\r\nhunter2");
    for (const placement of [{ in: "header", name: "x" }, { in: "basic" }] as const) {
      expect(() => placeInRequest(placement, { value, username: "a" }, request)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
      );
    }
  });

  test.each([
    "Connection",
    "transfer-encoding",
    "TE",
    "Upgrade",
    "host",
    "content-length",
    "proxy-authorization",
  ])("is refused as %s", (name) => {
    expect(() => placeInRequest({ in: "header", name }, material, request)).toThrow(fails);
  });

  test.each(["", "a b", "a:b", "a\r\nb", "é"])("is refused under the name %j", (name) => {
    expect(() => placeInRequest({ in: "header", name }, material, request)).toThrow(fails);
  });
});

describe("a credential in Basic", () => {
  test("stands in Authorization, alone", () => {
    const placed = placeInRequest({ in: "basic" }, material, {
      path: "/",
      headers: ["AUTHORIZATION", "Bearer mine"],
    });
    expect(placed.headers).toEqual(["authorization", `Basic ${utf8("ada:s3cret-token").toString("base64")}`]);
  });

  test("is refused without a user name, with a colon in it, or with control characters", () => {
    for (const bad of [
      { value: utf8("x") },
      { value: utf8("x"), username: "a:b" },
      { value: utf8("x\n"), username: "a" },
      { value: utf8("x"), username: "a\0" },
    ]) {
      expect(() => placeInRequest({ in: "basic" }, bad, request)).toThrow(fails);
    }
  });
});

describe("a credential in the query", () => {
  const place = (path: string, value = "s&c=r t#é") =>
    placeInRequest({ in: "query", name: "key" }, { value: utf8(value) }, { path, headers: [] }).path;

  test("is encoded, and the only one of its name", () => {
    expect(place("/a")).toBe("/a?key=s%26c%3Dr%20t%23%C3%A9");
    expect(place("/a?", "x")).toBe("/a?key=x");
    expect(place("/a?b=1&key=mine&c=2&KEY=mine&%6bey=mine&key&d;key=mine", "x")).toBe("/a?b=1&c=2&key=x");
  });

  test("comes out as it went in, whatever it is, and nothing else changes", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: "grapheme" }), fc.webQueryParameters(), (value, query) => {
        const url = new URL(place(`/p?${query}`, value), "http://host");
        expect(url.searchParams.getAll("key")).toEqual([value]);
        expect(url.pathname).toBe("/p");
        expect(url.hash).toBe("");
      }),
    );
  });

  test("is refused under no name, in a path with a fragment, and where it is no text", () => {
    expect(() => placeInRequest({ in: "query", name: "" }, material, request)).toThrow(fails);
    expect(() => place("/a#b")).toThrow(fails);
    expect(() => place("/a", "")).toThrow("the credential is empty");
    expect(() =>
      placeInRequest({ in: "query", name: "key" }, { value: Uint8Array.of(0xff, 0xfe) }, request),
    ).toThrow(fails);
  });
});

describe("a credential in the environment", () => {
  test("fills the variables that ask for its parts", () => {
    const variables = { PGUSER: "username", PGPASSWORD: "password", TOKEN: "value" } as const;
    expect(placeInEnvironment({ in: "env", variables }, material)).toEqual({
      PGUSER: "ada",
      PGPASSWORD: "s3cret-token",
      TOKEN: "s3cret-token",
    });
  });

  test("is refused for a name that is none, a NUL byte, or a user name that is missing", () => {
    const place = (variable: string, value: string) =>
      placeInEnvironment({ in: "env", variables: { [variable]: "value" } }, { value: utf8(value) });
    expect(() => place("A=B", "x")).toThrow(fails);
    expect(() => place("1A", "x")).toThrow(fails);
    expect(() => place("A", "x\0y")).toThrow(fails);
    expect(() =>
      placeInEnvironment({ in: "env", variables: { A: "username" } }, { value: utf8("x") }),
    ).toThrow(fails);
  });
});
