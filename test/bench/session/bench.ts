import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { demoPlan, type Stack, type StackPlan, startStack } from "@sallyport/infra-local";
import { PersistentShell, SandboxFiles } from "@sallyport/sandbox-agent";
import { openSandboxWorld } from "../sandbox/world.ts";

const pool = "sandbox";
export interface SessionBenchOptions {
  readonly rounds: number;
  readonly calls: number;
}

/**
 * What edge, relay, gate, record and MCP add to a command: `bash -c true` in a warm sandbox, asked of its agent directly and
 * as an agent's call, in turns.
 */
export async function benchSession(options: SessionBenchOptions, say: (line: string) => void): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "bench-session-"));
  const world = await openSandboxWorld(say);
  const sandbox = await world.start();
  const files = new SandboxFiles(sandbox.client, { cwd: "/workspace" });
  const shell = new PersistentShell(sandbox.client, files, {
    cwd: "/workspace",
    env: { PATH: "/usr/bin:/bin" },
  });
  let stack: Stack | undefined;
  try {
    stack = await startStack(planIn(join(dir, "stack")));
    const client = await connect(stack);
    const run = () => client.callTool({ name: "bash", arguments: { command: "bash -c true" } });
    const times = { direct: [] as number[], called: [] as number[] };
    for (let round = -1; round < options.rounds; round++)
      for (const [way, once] of [
        ["direct", () => shell.run("bash -c true")],
        ["called", run],
      ] as const) {
        const took = await timesOf(once, options.calls);
        if (round >= 0) times[way].push(...took); // the first round warms up
      }
    const [direct, called] = [quantile(times.direct, 0.5), quantile(times.called, 0.5)];
    say(`bash -c true, ${options.rounds} rounds of ${options.calls}, one at a time`);
    say(`  asked of the sandbox's agent  p50 ${ms(direct)}  p95 ${ms(quantile(times.direct, 0.95))}`);
    say(`  called through edge and relay p50 ${ms(called)}  p95 ${ms(quantile(times.called, 0.95))}`);
    say(`  added                         p50 ${ms(called - direct)}`);
    await client.close();
  } finally {
    await stack?.stop();
    await sandbox.end();
    await world.close();
    await rm(dir, { recursive: true, force: true });
  }
}

/** The demo's plan, as it ships; its private server is never called. */
function planIn(dir: string): StackPlan {
  const { postgres: _, ...plan } = demoPlan({
    ordersUrl: "http://127.0.0.1:9/mcp",
    ordersToken: "nobody-asks-for-it",
  });
  return { ...plan, dir, sampleRatio: 0.1, built: true };
}

/** The wire with sessions: the session is the sandbox, made by the warm-up. */
async function connect(stack: Stack): Promise<Client> {
  const client = new Client({ name: "bench", version: "1" });
  const token = await stack.token(pool);
  await client.connect(
    new StreamableHTTPClientTransport(new URL(stack.endpoint(pool)), {
      requestInit: { headers: { authorization: `Bearer ${token}` } },
    }),
  );
  return client;
}

async function timesOf(once: () => Promise<unknown>, calls: number): Promise<number[]> {
  const took: number[] = [];
  for (let call = 0; call < calls; call++) {
    const began = performance.now();
    await once();
    took.push(performance.now() - began);
  }
  return took;
}

function quantile(times: readonly number[], at: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * at)] ?? Number.NaN;
}

const ms = (value: number): string => `${value.toFixed(2)} ms`;
