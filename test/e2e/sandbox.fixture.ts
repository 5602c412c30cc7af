import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { FORM_NAMES, FORMS } from "@sallyport/example-servers";
import type { Stack, StackPlan } from "@sallyport/infra-local";
import { ask, type Post, type Reply, requestOn, toolCall, type Wire } from "./call.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

/** A site with pools of sandboxes, and a private API that they may reach with a placeholder. */
export interface SandboxSite {
  stack: Stack;
  orders: Orders;
  /** Who calls a pool: the usual agent, with a token for it. */
  to(pool: string): Caller;
  /** The same of another agent. */
  asOther(pool: string): Promise<Caller>;
  begin(wire: Wire, to: Caller): Promise<Work>;
  /** The reply that a session begins with: its name is in it, or why there is none. */
  tryToBegin(wire: Wire, to: Caller): Promise<Reply>;
  /** By a name that is known, whoever's it is. */
  workIn(wire: Wire, to: Caller & { handle: string }): Work;
  end(to: Caller & { handle: string }): Promise<Reply>;
  stop(): Promise<void>;
}

/** A private HTTP API behind a bearer token. It gives the token back in whatever spelling it is asked for. */
export interface Orders {
  port: number;
  /** Of each request, as it came. */
  seen: { path: string; authorization: string }[];
  close(): Promise<void>;
}

export const ordersToken = 'sk-orders/9+f=2"c~Zq7$kX0w';
const requirements = {
  ...{ kernel: "shared", network: "egress", memoryMiB: 128, pids: 64, cpu: 1, diskMiB: 64 },
};

const everythingAllowed = `
@id("connect") permit(principal, action in Action::"connect", resource);
@id("work") permit(principal, action == Action::"sandbox/exec", resource);
`;

export interface SitePlan {
  /** By pool: what differs from the usual settings. */
  pools: Record<string, object>;
  policy?: string;
  more?: Partial<StackPlan>;
}

/** Every pool has a door, through which `orders.internal` and `elsewhere.internal` lead to the same server. */
export async function startSandboxSite({
  pools,
  policy = everythingAllowed,
  more = {},
}: SitePlan): Promise<SandboxSite> {
  const orders = await startOrders();
  const { port } = orders;
  const binding = {
    ...{ scheme: "http", host: "orders.internal", port, pathPrefix: "/orders" },
    place: { in: "header", name: "authorization", prefix: "Bearer " },
  };
  const egress = {
    credentials: { ORDERS_TOKEN: { credential: "orders", bindings: [binding] } },
    addresses: { [`orders.internal:${port}`]: "127.0.0.1", [`elsewhere.internal:${port}`]: "127.0.0.1" },
  };
  const environment = {
    ORDERS: `http://orders.internal:${port}/orders`,
    ELSEWHERE: `http://elsewhere.internal:${port}/orders`,
  };
  const sandboxes = Object.fromEntries(
    Object.entries(pools).map(([name, differing]) => {
      const usual = { slots: 8, slotsPerAgent: 8, memory: "128MiB", pids: 64, disk: "64MiB" };
      return [name, { pool: { ...usual, egress, environment, ...differing }, requirements }];
    }),
  );
  const http = `
@id("orders") permit(principal, action == Action::"http/request", resource == Host::"orders.internal")
when { context.path like "/orders*" && context.port == ${port} };
@id("elsewhere") permit(principal, action == Action::"http/request", resource == Host::"elsewhere.internal")
when { context.port == ${port} };`;
  try {
    const stack = await startTunnel({
      routes: { orders: { url: `http://127.0.0.1:${port}/mcp`, secret: ordersToken } },
      policy: `${policy}${http}`,
      more: {
        sandboxes,
        leaseRules: [
          {
            id: "orders",
            credential: "orders",
            servers: ["orders", ...Object.keys(pools)],
            agents: "*",
            maxTtlSeconds: 3600,
          },
        ],
        ...more,
      },
    });
    const callers = new Map<string, Caller>();
    for (const server of Object.keys(pools))
      callers.set(server, { server, token: await stack.token(server) });
    return {
      stack,
      orders,
      to: (pool) => {
        const caller = callers.get(pool);
        if (caller === undefined) throw new Error(`there is no pool ${pool}`);
        return caller;
      },
      asOther: async (server) => ({ server, token: await stack.token(server, { client: "other-agent" }) }),
      begin: (wire, to) => beginWork(stack, wire, to),
      tryToBegin: (wire, to) => tryToBegin(stack, wire, to),
      workIn: (wire, to) => workIn(stack, wire, to),
      end: (to) => endWork(stack, to),
      stop: async () => {
        await stack.stop();
        await orders.close();
      },
    };
  } catch (error) {
    await orders.close();
    throw error;
  }
}

async function startOrders(): Promise<Orders> {
  const seen: Orders["seen"] = [];
  const server = createServer((request, response) => {
    const authorization = request.headers.authorization ?? "";
    seen.push({ path: request.url ?? "", authorization });
    const right = authorization === `Bearer ${ordersToken}`;
    response.writeHead(right ? 200 : 401, { "content-type": "application/json", "x-token": authorization });
    response.end(right ? `{"order":"A-1001","echo":"${echoOf(request)}"}\n` : '{"error":"no token"}\n');
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** `/orders/echo/<form>` answers with the token in that form. */
function echoOf({ url = "", headers }: IncomingMessage): string {
  const asked = decodeURIComponent(/\/echo\/([^/?]+)/.exec(url)?.[1] ?? "");
  const form = FORM_NAMES.find((name) => name === asked);
  return form === undefined ? "" : FORMS[form](headers.authorization?.slice("Bearer ".length) ?? "");
}

export interface Caller {
  server: string;
  token: string;
}

/** One session in one sandbox, raw, on either wire. */
export interface Work {
  /** The session's name, or the handle. */
  handle: string;
  post(name: string, args: object): Post;
  call(name: string, args?: object): Promise<Reply>;
  bash(command: string, more?: object): Promise<Reply>;
}

const initialize = {
  protocolVersion: "2025-11-25",
  capabilities: {},
  clientInfo: { name: "test", version: "1" },
};

async function tryToBegin(stack: Stack, wire: Wire, to: Caller): Promise<Reply> {
  return await ask(
    stack,
    to,
    wire === "2025-11-25"
      ? requestOn(wire, "initialize", initialize as object)
      : toolCall(wire, "bash", { command: "true" }),
  );
}

export async function beginWork(stack: Stack, wire: Wire, to: Caller): Promise<Work> {
  const begun = await tryToBegin(stack, wire, to);
  const handle = wire === "2025-11-25" ? (begun.headers.get("mcp-session-id") ?? undefined) : handleOf(begun);
  if (handle === undefined) throw new Error(`no session: ${begun.status} ${begun.text}`);
  return workIn(stack, wire, { ...to, handle });
}

function workIn(stack: Stack, wire: Wire, to: Caller & { handle: string }): Work {
  const { handle } = to;
  const post = (name: string, args: object): Post => {
    if (wire === "2026-07-28") return toolCall(wire, name, { ...args, sandbox: handle });
    const { headers, body } = toolCall(wire, name, args);
    return { headers: { ...headers, "mcp-session-id": handle }, body };
  };
  const call: Work["call"] = (name, args = {}) => ask(stack, to, post(name, args));
  return { handle, post, call, bash: (command, more = {}) => call("bash", { command, ...more }) };
}

export function endWork(stack: Stack, to: Caller & { handle: string }): Promise<Reply> {
  return ask(stack, { ...to, method: "DELETE" }, { headers: { "mcp-session-id": to.handle } });
}

function handleOf({ message }: Reply): string | undefined {
  const texts = message.result?.content?.map(({ text }) => text ?? "") ?? [];
  return texts.map((text) => /^sandbox: (\S+)$/.exec(text)?.[1]).find((found) => found !== undefined);
}

/** The first text of a result: what the tool said. */
export function saidBy({ message }: Pick<Reply, "message">): string {
  return message.result?.content?.[0]?.text ?? "";
}
