import { describe, expect, test } from "vitest";
import { forwardableRequestHeaders, forwardableResponseHeaders } from "./headers.ts";

describe("of an agent's request", () => {
  test("what the protocol needs goes on, in lower case", () => {
    expect(
      forwardableRequestHeaders([
        ["Accept", "application/json, text/event-stream"],
        ["Content-Type", "application/json"],
        ["MCP-Protocol-Version", "2026-07-28"],
        ["Mcp-Method", "tools/call"],
        ["Mcp-Name", "read"],
        ["Mcp-Param-Region", "eu"],
        ["Last-Event-ID", "7"],
        ["Accept-Language", "de"],
      ]).map(([name]) => name),
    ).toEqual([
      "accept",
      "content-type",
      "mcp-protocol-version",
      "mcp-method",
      "mcp-name",
      "mcp-param-region",
      "last-event-id",
      "accept-language",
    ]);
  });

  test.each([
    "authorization",
    "Cookie",
    "Proxy-Authorization",
    "proxy-connection",
    "Host",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Real-IP",
    "User-Agent",
    "Connection",
    "Content-Length",
    "Transfer-Encoding",
    "Mcp-Session-Id",
    "traceparent",
    "X-Api-Key",
    "accept ",
    "mcp_name",
  ])("%s stays here", (name) => {
    expect(forwardableRequestHeaders([[name, "x"]])).toEqual([]);
  });

  test("a value that would end its line, or a name that is none, stays here", () => {
    expect(forwardableRequestHeaders([["accept", "a\r\nauthorization: b"]])).toEqual([]);
    expect(forwardableRequestHeaders([["accept", "a\0"]])).toEqual([]);
    expect(forwardableRequestHeaders([["mcp-param-a\r\nx", "b"]])).toEqual([]);
    expect(forwardableRequestHeaders([["mcp-param-a b", "b"]])).toEqual([]);
  });
});

describe("of an upstream's answer", () => {
  test("what the protocol needs goes back", () => {
    const names = [
      "content-type",
      "cache-control",
      "mcp-session-id",
      "retry-after",
      "allow",
      "content-language",
    ];
    const headers = names.map((name): [string, string] => [name.toUpperCase(), "x"]);
    expect(forwardableResponseHeaders(headers).map(([name]) => name)).toEqual(names);
  });

  test.each([
    "set-cookie",
    "WWW-Authenticate",
    "Alt-Svc",
    "Location",
    "Server",
    "Content-Encoding",
    "Content-Length",
    "Authorization",
    "X-Powered-By",
    "Access-Control-Allow-Origin",
  ])("%s stays here", (name) => {
    expect(forwardableResponseHeaders([[name, "x"]])).toEqual([]);
  });
});
