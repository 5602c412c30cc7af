import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAbsoluteTarget, parseOriginTarget } from "./request-target.ts";

const tunnel = { host: "api.test", port: 443, literal: false };

describe("a request's target", () => {
  it("in absolute form is taken apart", () => {
    expect(parseAbsoluteTarget("http://api.test/a/b?c=/../d", "api.test")).toEqual({
      ok: true,
      value: {
        scheme: "http",
        authority: { host: "api.test", port: 80, literal: false },
        path: "/a/b",
        query: "?c=/../d",
      },
    });
    expect(parseAbsoluteTarget("http://api.test", "api.test:80")).toMatchObject({ value: { path: "/" } });
    expect(parseAbsoluteTarget("http://api.test:81?x", "api.test:81")).toMatchObject({
      value: { path: "/", query: "?x" },
    });
    expect(parseAbsoluteTarget("http://api.test/group%2Fname/a%20b", "api.test").ok).toBe(true);
  });

  it.each([
    ["/origin/form", "api.test"],
    ["https://api.test/", "api.test"],
    ["ftp://api.test/", "api.test"],
    ["http://api.test/", "other.test"],
    ["http://api.test/", "api.test:81"],
    ["http://api.test/", "api.test."],
    ["http://api.test/", "user@api.test"],
    ["http://user:pw@api.test/", "api.test"],
    ["http://api.test\\@evil.test/", "api.test"],
    ["http://api.test#@evil.test/", "api.test"],
    ["http://0x7f000001/", "0x7f000001"],
  ])("refuses %s with Host %s", (target, host) => {
    expect(parseAbsoluteTarget(target, host).ok).toBe(false);
  });

  it("inside a tunnel is a path of the tunnel's own host", () => {
    expect(parseOriginTarget("/v1?q", "API.test", tunnel)).toMatchObject({
      value: { scheme: "https", path: "/v1", query: "?q" },
    });
    for (const [target, host] of [
      ["/v1", "evil.test"],
      ["/v1", "api.test:8443"],
      ["https://api.test/v1", "api.test"],
      ["*", "api.test"],
    ] as const)
      expect(parseOriginTarget(target, host, tunnel).ok).toBe(false);
  });

  it.each([
    "/v1/../admin",
    "/v1/./x",
    "/v1/%2e%2e/admin",
    "/v1/.%2E/admin",
    "/v1/..%2fadmin",
    "/v1/..%252fadmin",
    "/v1/%252e%252e/admin",
    "/v1/..;x/admin",
    "/v1/..\\admin",
    "/v1/..%5cadmin",
    "/v1//admin",
    "//admin",
    "/%61dmin",
    "/a%00b",
    "/a%0d%0ab",
    "/a%zz",
    "/a%2",
    "/é",
    "/a b",
    "/a#b",
  ])("refuses the path %s, which a server may read as another", (path) => {
    expect(parseOriginTarget(path, "api.test", tunnel).ok).toBe(false);
  });

  it("is accepted only where the WHATWG parser reads the same path", () => {
    const dense = fc
      .array(fc.constantFrom(..."/.%25eEfF;?\\ab "), { maxLength: 16 })
      .map((c) => `/${c.join("")}`);
    fc.assert(
      fc.property(dense, (path) => {
        const parsed = parseOriginTarget(path, "api.test", tunnel);
        if (parsed.ok) expect(new URL(`https://api.test${path}`).pathname).toBe(parsed.value.path);
      }),
      { numRuns: 3000 },
    );
  });
});
