import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Running } from "../http/listen.ts";
import { startOrders } from "./start.ts";

const TOKEN = "demo-token-9f2c";
const authorization = `Bearer ${TOKEN}`;

let orders: Running;
let api = "";
beforeEach(async () => {
  orders = await startOrders({ token: TOKEN });
  api = new URL("/orders", orders.url).href;
});
afterEach(() => orders.close());

async function connect(): Promise<Client> {
  const transport = new StreamableHTTPClientTransport(new URL(orders.url), {
    requestInit: { headers: { authorization } },
  });
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport as Parameters<Client["connect"]>[0]);
  return client;
}

const textOf = (result: object) => (result as { content: [{ text: string }] }).content[0].text;

/** One request of the stateless wire. */
async function callModern(name: string, args: object): Promise<string> {
  const _meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
  };
  const response = await fetch(orders.url, {
    method: "POST",
    headers: {
      authorization,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": name,
    },
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name, arguments: args, _meta },
    }),
  });
  return response.text();
}

describe("the orders API", () => {
  it.each(["/orders", "/orders/A-1001", "/mcp", "/elsewhere"])(
    "answers 401 at %s without the token",
    async (path) => {
      for (const headers of [{}, { authorization: "Bearer other" }]) {
        const response = await fetch(new URL(path, api), { method: "POST", headers });
        expect(response.status).toBe(401);
        expect(response.headers.get("www-authenticate")).toBe("Bearer");
        expect(await response.text()).not.toContain(TOKEN);
      }
    },
  );

  it("lists a dozen orders, all or of one status", async () => {
    const list = async (query: string) => {
      const response = await fetch(api + query, { headers: { authorization } });
      return ((await response.json()) as { orders: { id: string }[] }).orders.map((order) => order.id);
    };
    expect(await list("")).toHaveLength(12);
    expect(await list("?status=refunded")).toEqual(["A-1011"]);
  });

  it("refunds an order once", async () => {
    const refund = () => fetch(`${api}/A-1004/refund`, { method: "POST", headers: { authorization } });
    expect(await (await refund()).json()).toMatchObject({ id: "A-1004", status: "refunded" });
    expect((await refund()).status).toBe(409);
  });

  it.each(["/Z-1", "/A-1001/refund", "/A-1001/refund/x", "/A-1001/ship"])(
    "does not know GET %s",
    async (path) => {
      expect((await fetch(api + path, { headers: { authorization } })).status).toBe(404);
    },
  );
});

describe("the MCP server in front of the orders API", () => {
  it("does not start without a token: it would pass on none", async () => {
    await expect(startOrders({})).rejects.toThrow("needs a token");
  });

  it("calls the API with the caller's own token, on either wire", async () => {
    const client = await connect();
    const { tools } = await client.listTools();
    expect(tools.map((tool) => [tool.name, tool.annotations?.destructiveHint ?? false])).toEqual([
      ["list_orders", false],
      ["get_order", false],
      ["refund_order", true],
    ]);
    const listed = await client.callTool({ name: "list_orders", arguments: { status: "paid" } });
    expect(textOf(listed)).toContain("Katherine Johnson");
    expect(JSON.stringify(listed)).not.toContain(TOKEN);
    await client.close();
    expect(await callModern("get_order", { id: "A-1003" })).toContain("Alan Turing");
  });

  it("says that a refund failed as a tool error", async () => {
    const client = await connect();
    const refund = () => client.callTool({ name: "refund_order", arguments: { id: "A-1011" } });
    expect(await refund()).toMatchObject({ isError: true });
    await client.close();
  });

  it("takes nothing but an order id into the path", async () => {
    const client = await connect();
    const result = await client.callTool({ name: "get_order", arguments: { id: "../mcp" } });
    expect(result.isError).toBe(true);
    expect(textOf(result)).toContain("an order id looks like A-1001");
    await client.close();
  });
});
