import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { runAgent } from "./agent-loop.ts";
import { type Connection, withLocalStack, withTokenFile } from "./connection.ts";
import { chooseModel } from "./model.ts";
import { showEvent, showLine } from "./terminal.ts";
import { toolsOf } from "./tools.ts";

const usage = `usage: pnpm start [options] [task]

A small agent: its loop runs here, its tools are a private MCP server's, reached through the tunnel.
  --endpoint URL     the MCP endpoint, with --token-file
  --token-file FILE  an access token for it
  --stack FILE       without them: the local stack's settings (default .state/dev/cli.yaml in the checkout)
  --server NAME      which of the local stack's servers (default orders)
  --model NAME       which model (default claude-sonnet-5-5)
  --max-turns N      how often the model may be asked (default 10)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    endpoint: { type: "string" },
    "token-file": { type: "string" },
    stack: { type: "string", default: join(import.meta.dirname, "../../.state/dev/cli.yaml") },
    server: { type: "string", default: "orders" },
    model: { type: "string", default: "claude-sonnet-5-5" },
    "max-turns": { type: "string", default: "10" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) console.log(usage);
else {
  try {
    process.exitCode = (await main()) ? 0 : 1;
  } catch (error) {
    console.error(reasonOf(error));
    process.exitCode = 1;
  }
}

async function main(): Promise<boolean> {
  const { endpoint, auth } = connection();
  const { model, description } = chooseModel();
  const task = positionals.join(" ") || "Which orders are open? Then refund the largest order of all.";
  const client = new Client(
    { name: "example-agent", version: "1" },
    { versionNegotiation: { mode: "auto" } },
  );
  await client.connect(new StreamableHTTPClientTransport(endpoint, { authProvider: auth })).catch((cause) => {
    throw new Error(`cannot connect to ${endpoint.href}: ${reasonOf(cause)}. Is "npx pnpm@12 dev" running?`, {
      cause,
    });
  });
  try {
    const tools = await toolsOf(client);
    showLine("endpoint", endpoint.href);
    showLine("model", description);
    showLine("tools", tools.list.map(({ name }) => name).join(", "));
    showLine("task", task);
    const outcome = await runAgent({
      model,
      modelName: values.model,
      tools,
      task,
      maxTurns: positiveNumber(values["max-turns"]),
      onEvent: showEvent,
    });
    if (!outcome.done) showLine("stopped", `${outcome.reason} after ${outcome.turns} turns`);
    return outcome.done;
  } finally {
    await client.close();
  }
}

function connection(): Connection {
  const { endpoint, "token-file": tokenFile, stack, server } = values;
  if (endpoint !== undefined && tokenFile !== undefined) return withTokenFile(endpoint, tokenFile);
  if (endpoint === undefined && tokenFile === undefined) return withLocalStack(stack, server);
  throw new Error("--endpoint and --token-file go together");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function positiveNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error("--max-turns is a whole number from 1");
  return number;
}
