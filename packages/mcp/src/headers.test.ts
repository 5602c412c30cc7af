import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { eraOf, routingHeaders } from "./era.ts";
import { decodeHeaderValue } from "./headers.ts";
import { readMessage } from "./message.ts";

const KEY = "io.modelcontextprotocol/protocolVersion";
const stateless = { [KEY]: "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {} };
const good = { "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "list" };

function verdict(
  headers: Record<string, string | string[]>,
  body: { method?: string; params?: object; id?: number | undefined } = {},
): number {
  const message = {
    jsonrpc: "2.0",
    id: 7,
    method: "tools/call",
    params: { name: "list", _meta: stateless },
    ...body,
  };
  const reading = readMessage(Buffer.from(JSON.stringify(message)), {
    headers: routingHeaders(Object.entries(headers)),
    limits: { maxBytes: 1 << 16 },
  });
  if (!reading.ok && message.id !== undefined) expect(reading.refusal).toMatchObject({ status: 400, id: 7 });
  return reading.ok ? 0 : reading.refusal.code;
}
const without = (name: keyof typeof good) =>
  Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));

describe("routing headers", () => {
  it("that agree are accepted, whatever the case of their names and the space around their values", () => {
    expect(verdict(good)).toBe(0);
    expect(verdict({ ...without("Mcp-Name"), "MCP-NAME": " \tlist \t" })).toBe(0);
  });

  it.each(["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"] as const)(
    "must hold %s on 2026-07-28",
    (name) => {
      expect(verdict(without(name))).toBe(-32020);
    },
  );

  it.each([
    ["MCP-Protocol-Version", "2025-11-25"],
    ["Mcp-Method", "tools/list"],
    ["Mcp-Method", "TOOLS/CALL"],
    ["Mcp-Name", "delete"],
    ["Mcp-Name", ""],
    ["Mcp-Name", "list, list"],
    ["Mcp-Name", "=?base64?bGlzdA?="],
    ["Mcp-Name", "=?base64?bGl!dA==?="],
    ["Mcp-Name", "=?base64?/w==?="],
  ])("are refused with %s: %s", (name, value) => {
    expect(verdict({ ...good, [name]: value })).toBe(-32020);
  });

  it("sent twice are refused, since two readers may take different ones", () => {
    expect(verdict({ ...good, "Mcp-Name": ["list", "delete"] })).toBe(-32020);
    const pairs = [...Object.entries(good), ["mcp-name", "delete"] as const];
    expect(routingHeaders(pairs).name).toBe("list, delete");
  });

  it("name a prompt by its name, a resource by its uri and a task by its id", () => {
    for (const [method, params] of [
      ["prompts/get", { name: "n" }],
      ["resources/read", { uri: "n" }],
      ["tasks/get", { taskId: "n" }],
      ["tasks/update", { taskId: "n" }],
      ["tasks/cancel", { taskId: "n" }],
    ] as const) {
      const body = { method, params: { ...params, _meta: stateless } };
      expect(verdict({ ...good, "Mcp-Method": method, "Mcp-Name": "n" }, body)).toBe(0);
      expect(verdict({ ...good, "Mcp-Method": method, "Mcp-Name": "m" }, body)).toBe(-32020);
      expect(verdict({ ...without("Mcp-Name"), "Mcp-Method": method }, body)).toBe(-32020);
    }
  });

  it("are refused with a broken wrapper even where the body has no name to compare", () => {
    const body = { method: "tasks/get", params: { _meta: stateless } };
    const headers = { ...good, "Mcp-Method": "tasks/get" };
    expect(verdict({ ...headers, "Mcp-Name": "anything" }, body)).toBe(0);
    expect(verdict({ ...headers, "Mcp-Name": "=?base64?/w==?=" }, body)).toBe(-32020);
  });

  it("must agree on the older wire too where they are sent, and need not be sent there", () => {
    const body = { params: { name: "list" } };
    expect(verdict({}, body)).toBe(0);
    expect(verdict({ "MCP-Protocol-Version": "2025-11-25" }, body)).toBe(0);
    expect(verdict({ "Mcp-Name": "delete" }, body)).toBe(-32020);
    expect(verdict({ "Mcp-Method": "tools/list" }, body)).toBe(-32020);
  });

  it("need not come with a notification, but must agree with one", () => {
    const body = { id: undefined, method: "notifications/x", params: { _meta: stateless } };
    expect(verdict({}, body)).toBe(0);
    expect(verdict({ "Mcp-Method": "notifications/y" }, body)).toBe(-32020);
  });

  it("leave it to the upstream to refuse an unknown revision or an incomplete _meta", () => {
    const version = { "MCP-Protocol-Version": "v999.0.0" };
    expect(verdict(version, { method: "server/discover", params: { _meta: { [KEY]: "v999.0.0" } } })).toBe(0);
    for (const params of [{}, { _meta: {} }, { _meta: { [KEY]: 5 } }])
      expect(
        verdict({ ...good, "Mcp-Method": "server/discover" }, { method: "server/discover", params }),
      ).toBe(0);
    expect(
      verdict(
        { "MCP-Protocol-Version": "2026-07-28" },
        { method: "server/discover", params: { _meta: { [KEY]: "v999" } } },
      ),
    ).toBe(-32020);
  });
});

describe("the Base64 wrapper", () => {
  it("carries any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(decodeHeaderValue(`=?base64?${Buffer.from(text).toString("base64")}?=`)).toBe(
          text.toWellFormed(),
        );
      }),
    );
  });

  it.each(["SGVsbG8=", "=?base64?SGVsbG8=", "=?BASE64?SGVsbG8=?=", "=?base64?="])(
    "is not seen in %s",
    (value) => {
      expect(decodeHeaderValue(value)).toBe(value);
    },
  );
});

describe("eraOf", () => {
  const era = (version: string | undefined, meta?: object) =>
    eraOf(routingHeaders([["mcp-protocol-version", version]]), {
      kind: "notification",
      method: "x",
      params: meta ? { _meta: meta } : {},
    });

  it("goes by the body first and by the header where the body is silent", () => {
    expect(era(undefined, { [KEY]: "anything" })).toBe("2026-07-28");
    expect(era("2026-07-28")).toBe("2026-07-28");
    expect(era("2027-01-01")).toBe("2026-07-28");
    expect(era("2025-11-25")).toBe("sessions");
    expect(era("v999.0.0")).toBe("sessions");
    expect(era(undefined)).toBe("sessions");
  });

  it("goes by the header for a response", () => {
    const response = { kind: "response", id: 1, ok: true } as const;
    expect(eraOf(routingHeaders([]), response)).toBe("sessions");
    expect(eraOf(routingHeaders([["mcp-protocol-version", "2026-07-28"]]), response)).toBe("2026-07-28");
  });
});
