import { describe, expect, it } from "vitest";
import { routingHeaders } from "./era.ts";
import { readMessage } from "./message.ts";

const limits = { maxBytes: 1 << 16 };
const read = (value: unknown, headers: Record<string, string> = {}) =>
  readMessage(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)), {
    headers: routingHeaders(Object.entries(headers)),
    limits,
  });
const call = (more: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name: "list" },
  ...more,
});
const stateless = { _meta: { "io.modelcontextprotocol/protocolVersion": "2026-07-28" } };

describe("readMessage", () => {
  it("reads a request, a notification and both kinds of response", () => {
    expect(read(call())).toEqual({
      ok: true,
      messages: [{ kind: "request", id: 1, method: "tools/call", params: { name: "list" } }],
      batch: false,
      era: "sessions",
    });
    expect(read({ jsonrpc: "2.0", method: "notifications/initialized" })).toMatchObject({
      messages: [{ kind: "notification", method: "notifications/initialized", params: {} }],
    });
    expect(read({ jsonrpc: "2.0", id: "a", result: {} })).toMatchObject({
      messages: [{ kind: "response", id: "a", ok: true }],
    });
    expect(read({ jsonrpc: "2.0", id: null, error: { code: 1, message: "" } })).toMatchObject({
      messages: [{ kind: "response", id: undefined, ok: false }],
    });
  });

  it.each<[string, unknown, number]>([
    ["text that is no JSON", "{", -32700],
    ["a repeated key", '{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}', -32700],
    ["a scalar", 1, -32600],
    ["another protocol", { id: 1, method: "a" }, -32600],
    ["a null id", call({ id: null }), -32600],
    ["a fractional id", call({ id: 1.5 }), -32600],
    ["an id that a double cannot hold", '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}', -32600],
    ["a long id", call({ id: "x".repeat(1025) }), -32600],
    ["a method and a result", call({ result: {} }), -32600],
    ["a result and an error", { jsonrpc: "2.0", id: 1, result: {}, error: {} }, -32600],
    ["neither method nor answer", { jsonrpc: "2.0", id: 1 }, -32600],
    ["a result without id", { jsonrpc: "2.0", result: {} }, -32600],
    ["a method with a line break", call({ method: "tools/call\n" }), -32600],
    ["a method that is no string", call({ method: 1 }), -32600],
    ["positional params", call({ params: ["list"] }), -32600],
    ["a call without name", call({ params: {} }), -32602],
    ["a call with an empty name", call({ params: { name: "" } }), -32602],
    ["a call with an endless name", call({ params: { name: "x".repeat(2049) } }), -32602],
    ["a read without uri", call({ method: "resources/read", params: {} }), -32602],
    ["a subscription without uri", call({ method: "resources/subscribe", params: {} }), -32602],
    [
      "a stateless subscription to what is no uri",
      call({ method: "resources/subscribe", params: { ...stateless, uri: ["a"] } }),
      -32602,
    ],
    [
      "a stateless subscription to a URI",
      call({ method: "resources/subscribe", params: { ...stateless, URI: "a" } }),
      -32602,
    ],
    ["a stateless read without uri", call({ method: "resources/read", params: stateless }), -32602],
    ["arguments that are a list", call({ params: { name: "list", arguments: [] } }), -32602],
    ["null arguments", call({ params: { name: "list", arguments: null } }), -32602],
    ["a Method beside the method", call({ Method: "tools/list" }), -32600],
    ["a Params key alone", { jsonrpc: "2.0", id: 1, method: "ping", PARAMS: {} }, -32600],
    ["a Name beside the name", call({ params: { name: "list", Name: "delete" } }), -32602],
    ["a long s in arguments", call({ params: { name: "list", argumentſ: {} } }), -32602],
    [
      "a revision in other letters",
      call({ params: { name: "list", _meta: { "io.modelcontextprotocol/ProtocolVersion": "2026-07-28" } } }),
      -32602,
    ],
  ])("refuses %s", (_, body, code) => {
    const reading = read(body);
    expect(reading).toMatchObject({ ok: false, refusal: { status: 400, code } });
  });

  it("answers under the request's id where it can be read", () => {
    expect(read(call({ params: {} }))).toMatchObject({ refusal: { id: 1 } });
    expect(read(call({ id: null, params: {} }))).not.toHaveProperty("refusal.id");
  });

  it("answers 413 for a body beyond the limit", () => {
    expect(read(" ".repeat(limits.maxBytes + 1))).toMatchObject({ refusal: { status: 413, code: -32600 } });
  });

  it("repeats nothing of the body in a refusal", () => {
    const evil = "\u202e\r\nevil";
    for (const body of [call({ method: evil }), call({ params: { [evil]: 1 } }), { [evil]: 1 }, `{"${evil}"`])
      expect(JSON.stringify(read(body))).not.toContain("evil");
  });

  it.each(["resources/subscribe", "resources/unsubscribe"])(
    "leaves %s without uri to an upstream of the stateless wire, which has no such method",
    (method) => {
      const headers = { "mcp-protocol-version": "2026-07-28", "mcp-method": method };
      expect(read(call({ method, params: stateless }), headers)).toMatchObject({ ok: true });
    },
  );

  it("leaves methods and arguments that it does not know to the upstream", () => {
    expect(read(call({ method: "x/y", params: { any: [1] }, extra: 1 }))).toMatchObject({ ok: true });
    expect(read(call({ params: { name: "list", arguments: { Name: 1, METHOD: 2 } } }))).toMatchObject({
      ok: true,
    });
  });
});

describe("a batch", () => {
  const ping = (id: number) => ({ jsonrpc: "2.0", id, method: "ping" });

  it("is read on the 2025-03-26 wire, named or implied, and every message comes out", () => {
    for (const headers of [{}, { "MCP-Protocol-Version": "2025-03-26" }])
      expect(read([ping(1), call({ id: 2 })], headers)).toMatchObject({
        ok: true,
        batch: true,
        messages: [{ id: 1 }, { id: 2, params: { name: "list" } }],
      });
  });

  it.each(["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28", "v999"])(
    "is refused under %s",
    (version) => {
      expect(read([ping(1)], { "mcp-protocol-version": version })).toMatchObject({
        refusal: {
          status: 400,
          code: -32600,
          message: expect.stringContaining("one message per POST") as string,
        },
      });
    },
  );

  it.each<[string, unknown]>([
    ["empty", []],
    ["of 33 messages", [...Array(33).keys()].map(ping)],
    ["with one bad message", [ping(1), 2]],
    ["with one id twice", [ping(1), ping(1)]],
    ["with initialize", [{ jsonrpc: "2.0", id: 1, method: "initialize" }]],
    [
      "with a stateless message",
      [{ ...ping(1), params: { _meta: { "io.modelcontextprotocol/protocolVersion": "2025-03-26" } } }],
    ],
    ["within a batch", [[ping(1)]]],
  ])("is refused when it is one %s", (_, body) => {
    expect(read(body)).toMatchObject({ ok: false, refusal: { status: 400 } });
  });

  it("of 32 messages is accepted", () => {
    expect(read([...Array(32).keys()].map(ping))).toMatchObject({ ok: true });
  });

  it("is refused when a routing header names another method than one of its messages", () => {
    expect(read([ping(1), call({ id: 2 })], { "mcp-method": "ping" })).toMatchObject({
      refusal: { code: -32020, id: 2 },
    });
  });
});
