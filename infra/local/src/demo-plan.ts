import { join } from "node:path";
import type { Postgres } from "@sallyport/testkit";
import { hasStrongSandboxes, whyNoSandboxes } from "./sandbox-host.ts";
import type { SandboxPlan, StackPlan } from "./stack-plan.ts";

/** Where the demo's private servers listen: only the connector is told. */
export interface DemoParts {
  ordersUrl: string;
  ordersToken: string;
}

const schema = `
  CREATE TABLE tickets (id int PRIMARY KEY, customer text NOT NULL, subject text NOT NULL, opened date NOT NULL, state text NOT NULL);
  INSERT INTO tickets VALUES
    (1, 'Ada Lovelace',  'Gear set arrived with a missing cog', '2026-09-14', 'open'),
    (2, 'Grace Hopper',  'Invoice shows the wrong nanosecond',  '2026-10-02', 'closed'),
    (3, 'Alan Turing',   'Parcel undecidable: neither here nor there', '2026-11-20', 'open');
`;

const policies = `// What agents may do through this connector. Default deny.
@id("everyone-connects")
permit(principal, action in Action::"connect", resource in Server::"orders");

@id("everyone-connects-to-tickets")
permit(principal, action in Action::"connect", resource in Server::"tickets");

@id("orders-are-read")
permit(principal, action == Action::"tools/call", resource in Server::"orders");

@id("small-refunds-only")
@reason("only orders below 10.00 are refunded without a person")
forbid(principal, action == Action::"tools/call", resource == Tool::"orders/refund_order")
unless { context.arguments has id && ["A-1002", "A-1007", "A-1011"].contains(context.arguments.id) };

@id("tickets-are-read")
permit(principal, action == Action::"tools/call", resource in Server::"tickets");

@id("everyone-connects-to-sandboxes")
permit(principal, action in Action::"connect", resource in Server::"sandbox");

@id("everyone-works-in-a-sandbox")
permit(principal, action == Action::"sandbox/exec", resource in Server::"sandbox");
`;

/** The server's port is the system's choice, and a rule for a port that is not the scheme's own must name it. */
const sandboxPolicies = (port: number) => `// What sandboxes may send out.
@id("sandboxes-read-orders")
permit(principal, action == Action::"http/request", resource == Host::"orders.internal")
when { context.method == "GET" && context.path like "/orders*" && context.port == ${port} };

@id("sandboxes-reach-elsewhere")
permit(principal, action == Action::"http/request", resource == Host::"elsewhere.internal")
when { context.port == ${port} };
`;

/**
 * Sandboxes that may reach the orders API, where a placeholder stands for its token, and one other name, where it does
 * not. Both names lead to the demo's own server: nothing of a sandbox leaves this machine.
 */
function sandboxes(ordersUrl: string): Record<string, SandboxPlan> {
  const port = Number(new URL(ordersUrl).port);
  const binding = {
    ...{ scheme: "http", host: "orders.internal", port, pathPrefix: "/orders" },
    place: { in: "header", name: "authorization", prefix: "Bearer " },
  };
  return {
    sandbox: {
      pool: {
        ...{ slots: 4, disk: "256MiB", idle: "5m" },
        ...(hasStrongSandboxes()
          ? { memory: "256MiB" }
          : { memory: "unlimited", pids: "unlimited", cpus: "unlimited", inodes: "unlimited" }),
        egress: {
          credentials: { ORDERS_TOKEN: { credential: "orders-api", bindings: [binding] } },
          addresses: {
            [`orders.internal:${port}`]: "127.0.0.1",
            [`elsewhere.internal:${port}`]: "127.0.0.1",
          },
        },
        environment: {
          ORDERS_URL: `http://orders.internal:${port}/orders`,
          ELSEWHERE_URL: `http://elsewhere.internal:${port}/orders`,
        },
      },
      requirements: { kernel: "shared", network: "egress", memoryMiB: 256, pids: 128, cpu: 1, diskMiB: 256 },
    },
  };
}

/** The demo's two private servers, their credentials and who may do what. */
export function demoPlan(
  parts: DemoParts,
): Pick<
  StackPlan,
  "postgres" | "secrets" | "servers" | "sandboxes" | "credentials" | "leaseRules" | "policies"
> {
  return {
    postgres: { schema },
    secrets: { "sallyport/orders": { token: parts.ordersToken } },
    servers: ({ postgres }) => ({
      orders: {
        url: parts.ordersUrl,
        credential: { name: "orders-api", place: { in: "header", name: "authorization", prefix: "Bearer " } },
      },
      ...(postgres ? { tickets: ticketsServer(postgres) } : {}),
    }),
    ...(whyNoSandboxes() === undefined ? { sandboxes: sandboxes(parts.ordersUrl) } : {}),
    credentials: {
      "orders-api": { kind: "kv", path: "sallyport/orders", field: "token" },
      "tickets-db": { kind: "database", role: "sallyport-readonly" },
    },
    leaseRules: [
      {
        id: "orders",
        credential: "orders-api",
        servers: ["orders", "sandbox"],
        agents: "*",
        maxTtlSeconds: 3600,
      },
      { id: "tickets", credential: "tickets-db", servers: ["tickets"], agents: "*", maxTtlSeconds: 3600 },
    ],
    policies: {
      "demo.cedar": policies,
      "sandboxes.cedar": sandboxPolicies(Number(new URL(parts.ordersUrl).port)),
    },
  };
}

const dbhub = join(
  import.meta.dirname,
  "../../../examples/servers/node_modules/@bytebase/dbhub/dist/index.js",
);

/** A third-party MCP server, started by the connector with a database user that lives as long as the agent's session. */
function ticketsServer(postgres: Postgres): object {
  return {
    command: process.execPath,
    args: [dbhub, "--transport", "stdio"],
    env: {
      DB_TYPE: "postgres",
      DB_HOST: postgres.host,
      DB_PORT: String(postgres.port),
      DB_NAME: postgres.database,
    },
    credential: {
      name: "tickets-db",
      place: { in: "env", variables: { DB_USER: "username", DB_PASSWORD: "password" } },
    },
  };
}
