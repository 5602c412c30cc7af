import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { promisify } from "node:util";
import { type Running, startOrders } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { webServer } from "./doors.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

const agent = join(import.meta.dirname, "../../examples/agent/main.ts");
const secret = "orders-token-of-the-vault";

/** As the local stack's demo: everything but refunds that nobody has looked at. */
const policy = `
  @id("all-orders") permit(principal, action, resource in Server::"orders");
  @id("no-large-refunds") @reason("refunds above 100.00 need a person")
  forbid(principal, action == Action::"tools/call", resource == Tool::"orders/refund_order")
  unless { context.arguments has amount && context.arguments.amount <= 10000 };
`;

let folder: string;
let orders: Running;
let stack: Stack;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-agent-"));
  orders = await startOrders({ token: secret });
  stack = await startTunnel({ routes: { orders: { url: orders.url, secret } }, policy });
}, 90_000);

afterAll(async () => {
  await stack?.stop();
  await orders?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The example as a person would start it, with no key for a model in its environment. */
async function runAgent(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; output: string }> {
  const command = ["--disable-warning=ExperimentalWarning", agent, ...args];
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, {
      env,
      timeout: 20_000,
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

describe("the example agent", () => {
  it("gets its own token, finds the open orders, and is told which rule keeps it from a refund", async () => {
    const { code, output } = await runAgent(["--stack", join(stack.dir, "cli.yaml")]);
    expect(output).toContain("scripted model: set ANTHROPIC_API_KEY for a real one");
    expect(output).toContain("list_orders, get_order, refund_order");
    expect(output).toMatch(/^result .*Ada Lovelace/m);
    expect(output).toMatch(/^agent +Open: A-1004, A-1006, A-1010, A-1012\./m);
    expect(output).toMatch(/^call +refund_order \{"id":"A-1008"\}$/m);
    expect(output).toMatch(/^refused .*"no-large-refunds": refunds above 100\.00 need a person/m);
    expect(output).not.toContain(secret);
    expect(code).toBe(0);
  });

  it("takes an endpoint and a token from a file", async () => {
    const tokenFile = join(folder, "token");
    const token = await stack.token("orders");
    await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
    const { code, output } = await runAgent([
      "--endpoint",
      stack.endpoint("orders"),
      "--token-file",
      tokenFile,
    ]);
    expect(output).toMatch(/^refused .*no-large-refunds/m);
    expect(output).not.toContain(token);
    expect(code).toBe(0);
  });

  it("asks the Messages API where there is a key, with the tools of the private server", async () => {
    const answer = {
      ...{ id: "msg_1", type: "message", role: "assistant", model: "m", stop_reason: "end_turn" },
      content: [{ type: "text", text: "Four are open." }],
      usage: { input_tokens: 1, output_tokens: 1 },
    };
    const asked: { tools: { name: string }[] }[] = [];
    const api = await webServer(async (request, response) => {
      asked.push((await json(request)) as (typeof asked)[number]);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
    try {
      const { code, output } = await runAgent(
        ["--stack", join(stack.dir, "cli.yaml"), "How many are open?"],
        {
          ANTHROPIC_API_KEY: "key-of-a-test",
          ANTHROPIC_BASE_URL: new URL(api.url).origin,
        },
      );
      expect(output).toMatch(/^agent +Four are open\.$/m);
      expect(asked).toMatchObject([
        { tools: [{ name: "list_orders" }, { name: "get_order" }, { name: "refund_order" }] },
      ]);
      expect(output).not.toContain("key-of-a-test");
      expect(code).toBe(0);
    } finally {
      await api.close();
    }
  });

  it("says what to do where there is no local stack, and does not start half connected", async () => {
    const missing = await runAgent(["--stack", join(folder, "none.yaml")]);
    expect(missing.output).toContain("npx pnpm@12 dev");
    const tokenFile = join(folder, "old-token");
    await writeFile(tokenFile, "no-token", { mode: 0o600 });
    const refused = await runAgent(["--endpoint", stack.endpoint("orders"), "--token-file", tokenFile]);
    expect(refused.output).toContain(`cannot connect to ${stack.endpoint("orders")}`);
    const half = await runAgent(["--endpoint", stack.endpoint("orders")]);
    expect(half.output).toContain("--endpoint and --token-file go together");
    expect([missing, refused, half].map(({ code }) => code)).toEqual([1, 1, 1]);
  });
});
