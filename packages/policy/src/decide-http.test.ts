import { describe, expect, it } from "vitest";
import { compilePolicies } from "./compile.ts";
import type { HttpAsk } from "./decide-http.ts";

const base: HttpAsk = {
  agent: "bob",
  host: "api.example.com",
  method: "GET",
  path: "/v1/orders",
  scheme: "https",
  port: 443,
  tls: true,
};
const set = (text: string) => compilePolicies([{ name: "p.cedar", text }]);
const decide = (text: string, ask: Partial<HttpAsk> = {}) => set(text).http.decide({ ...base, ...ask });
const scope = 'principal, action == Action::"http/request", resource';
const api = `@id("api") permit(${scope} == Host::"api.example.com");`;
const raw = { method: "CONNECT", path: "", scheme: "tcp", tls: false } as const;

describe("decide http/request", () => {
  it("denies what no rule allows, and is told which rule allowed", () => {
    expect(decide(api)).toEqual({ allow: true, ruleId: "api" });
    expect(decide(api, { host: "api.example.org" })).toEqual({
      allow: false,
      ruleId: undefined,
      reason: "no rule allows it",
    });
  });

  it("tells methods, paths, schemes, hosts and agents apart", () => {
    const text = `@id("a") permit(principal == Agent::"bob", action == Action::"http/request", resource)
      when { context.method == "GET" && context.path like "/v1/*" && context.scheme == "https" && context.host like "*.example.com" };`;
    expect(decide(text).allow).toBe(true);
    for (const other of [
      { agent: "eve" },
      { method: "POST" },
      { path: "/v2/orders" },
      { scheme: "http", port: 80, tls: false } as const,
      { host: "example.com" },
    ])
      expect(decide(text, other).allow).toBe(false);
  });

  it("a rule written for tools opens no host", () => {
    expect(decide('@id("all") permit(principal, action, resource);').allow).toBe(false);
  });

  it("a forbid of everything means hosts too, and beats a permit", () => {
    const eve = '@id("no-eve") forbid(principal == Agent::"eve", action, resource);';
    expect(decide(api + eve).allow).toBe(true);
    expect(decide(api + eve, { agent: "eve" })).toMatchObject({ allow: false, ruleId: "no-eve" });
    const broken = '@id("odd") forbid(principal, action, resource) when { context.target == "x" };';
    expect(decide(api + broken)).toMatchObject({ allow: false, ruleId: "odd" });
  });

  it("another port than the scheme's own is allowed only by a rule that reads it", () => {
    expect(decide(api, { port: 8443 })).toMatchObject({
      allow: false,
      reason: expect.stringContaining("context.port"),
    });
    const named = `@id("odd-port") permit(${scope} == Host::"api.example.com") when { context.port == 8443 };`;
    expect(decide(api + named, { port: 8443 })).toEqual({ allow: true, ruleId: "odd-port" });
    expect(decide(api + named, { port: 22 }).allow).toBe(false);
  });

  it("a tunnel without TLS is allowed only by a rule that reads tls and port", () => {
    const port = `@id("port") permit(${scope}) when { context.port == 22 };`;
    expect(decide(port, { ...raw, port: 22 })).toMatchObject({
      allow: false,
      reason: expect.stringContaining("context.tls"),
    });
    const named = `@id("ssh") permit(${scope}) when { context.port == 22 && context.tls == false };`;
    expect(decide(port + named, { ...raw, port: 22 })).toEqual({ allow: true, ruleId: "ssh" });
  });

  it("refuses at load a host that could never match, and a context that is not there", () => {
    const load = (text: string) => () => set(text);
    for (const host of ["API.example.com", "api.example.com.", "api.example.com/x", "a_b.example.com"])
      expect(load(`@id("a") permit(${scope} == Host::"${host}");`)).toThrow("is no host's name");
    expect(load(`@id("a") permit(${scope}) when { context.target == "x" };`)).toThrow(
      'context has no attribute "target"',
    );
    expect(load(`@id("a") permit(${scope}) when { context.arguments has x };`)).toThrow("no attribute");
    expect(load(`@id("a") permit(${scope} == Tool::"orders/x");`)).toThrow();
    expect(
      load('@id("a") permit(principal, action in [Action::"http/request", Action::"ping"], resource);'),
    ).toThrow("stands alone");
  });
});
