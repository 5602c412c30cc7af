import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { showTrace } from "@sallyport/cli";
import { findTool, startServer, ToolError, until } from "@sallyport/testkit";
import pc from "picocolors";
import { type DemoAnswer, runDemo } from "./src/demo.ts";
import { demoPlan } from "./src/demo-plan.ts";
import { howToConnect } from "./src/how-to-connect.ts";
import { takeLock } from "./src/lock.ts";
import { Progress } from "./src/progress.ts";
import { hasStrongSandboxes, whyNoSandboxes } from "./src/sandbox-host.ts";
import { type Stack, startStack } from "./src/stack.ts";
import { ZoneDied } from "./src/start-watch.ts";

const usage = `usage: pnpm dev [--once] [--port 7345] [--state DIR]

Starts the whole of Sallyport on this machine and makes real calls through it: to two private servers, and in a sandbox.
Ctrl-C stops all of it.
  --once   stop after the demo
  --port   where agents call; 0 lets the system choose
  --state  where keys, data and logs go; made anew at each start (default .state/dev in the checkout)
`;

const root = join(import.meta.dirname, "../..");
const servers = join(root, "examples/servers");

const { values } = parseArgs({
  options: {
    once: { type: "boolean", default: false },
    port: { type: "string", default: "7345" },
    state: { type: "string", default: join(root, ".state/dev") },
    help: { type: "boolean", short: "h", default: false },
  },
});

/** A failure that a person can mend: what and how, without a stack. */
class Stopped extends Error {}

if (values.help) console.log(usage);
else process.exitCode = await dev(values);

async function dev(options: { once: boolean; port: string; state: string }): Promise<number> {
  const lock = takeLock(`${options.state}.lock`);
  if (!lock.held) {
    console.error(
      `pnpm dev runs already (process ${lock.by.pid})${lock.by.endpoint ? `: ${lock.by.endpoint}` : ""}. Use it, or stop it with Ctrl-C in its terminal.`,
    );
    return 1;
  }
  const progress = new Progress(process.stderr);
  const interrupted = Promise.withResolvers<"interrupted">();
  for (const signal of ["SIGINT", "SIGTERM"] as const)
    process.once(signal, () => interrupted.resolve("interrupted"));
  const stops: (() => Promise<void>)[] = [];
  try {
    const running = start(options, { progress, keep: (stop) => stops.push(stop) });
    const started = await Promise.race([running, interrupted.promise]);
    if (started === "interrupted") {
      // What is being started is stopped too, as soon as it has started.
      await running.catch(() => undefined);
      return 130;
    }
    lock.tell({ pid: process.pid, endpoint: started.stack.endpoint("orders") });
    await showDemo(started.stack, progress);
    if (options.once) return 0;
    console.log(`\n${howToConnect(started.stack.endpoint("orders"))}\n`);
    return await stayUp(started.stack, { interrupted: interrupted.promise, ended: started.ended });
  } catch (error) {
    progress.failed();
    const expected = [Stopped, ToolError, ZoneDied].some((kind) => error instanceof kind);
    console.error(expected ? (error as Error).message : error);
    return 1;
  } finally {
    progress.step("stopping");
    for (const stop of stops.reverse()) await stop().catch((error: unknown) => console.error(error));
    progress.done();
    lock.release();
    rmSync(`${options.state}.lock`, { recursive: true, force: true });
  }
}

async function start(
  options: { port: string; state: string },
  tools: { progress: Progress; keep(stop: () => Promise<void>): void },
): Promise<{ stack: Stack; ended: Promise<string> }> {
  const { progress, keep } = tools;
  const port = await freeOrRefuse(Number(options.port));
  rmSync(options.state, { recursive: true, force: true });

  progress.step("tools");
  const sandboxes = whyNoSandboxes() === undefined ? (["bwrap"] as const) : [];
  for (const tool of ["nats-server", "bao", ...sandboxes] as const)
    await findTool(tool, { onProgress: (text) => progress.note(text) });

  progress.step("private servers");
  const ended = Promise.withResolvers<string>();
  const orders = await startOrders(options.state, (name) => ended.resolve(name));
  keep(orders.stop);

  const stack = await startStack({
    dir: options.state,
    ...(port === 0 ? {} : { port }),
    ...demoPlan({ ordersUrl: orders.url, ordersToken: orders.token }),
    progress: (step) => progress.step(step),
    onExit: (name) => ended.resolve(name),
  });
  keep(stack.stop);
  progress.done();
  return { stack, ended: ended.promise };
}

/** The demo's HTTP API with its MCP server, which answer 401 without a token that nobody but Vault knows. */
async function startOrders(state: string, onExit: (name: string) => void) {
  const folder = join(state, "orders");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const token = randomBytes(24).toString("base64url");
  const tokenFile = join(folder, "token");
  writeFileSync(tokenFile, token, { mode: 0o600 });
  let url = "";
  const server = await startServer({
    name: "orders",
    command: process.execPath,
    args: [
      "--disable-warning=ExperimentalWarning",
      join(servers, "orders/main.ts"),
      "--token-file",
      tokenFile,
      "--allow-host",
      "orders.internal",
    ],
    folder,
    temporary: false,
    onExit: () => onExit("orders"),
    ready: async () => {
      url = /"url":"([^"]+)"/.exec(readFileSync(join(folder, "orders.log"), "utf8"))?.[1] ?? "";
      return url === "" ? undefined : true;
    },
  });
  return { url, token, stop: () => server.stop() };
}

async function showDemo(stack: Stack, progress: Progress): Promise<void> {
  progress.step("calls through every zone");
  const answers = await runDemo(stack);
  progress.done();
  for (const { server, call, lines } of answers) {
    console.log(`\n${pc.bold(pc.green(server))} ${pc.dim(call)}`);
    for (const line of lines.slice(0, 14)) console.log(`  ${line}`);
    if (lines.length > 14) console.log(pc.dim(`  … ${lines.length - 14} more lines`));
  }
  const missing = whyNoSandboxes();
  if (missing !== undefined) console.log(`\n${pc.dim(`No session in a sandbox is shown: ${missing}.`)}`);
  else if (!hasStrongSandboxes())
    console.log(
      `\n${pc.dim("Sandboxes here are of the weaker class, for this is not root: they share a user and have no limits. `sallyport boundary test` says what that means.")}`,
    );
  for (const [title, answer, parts] of tracesToShow(answers)) {
    console.log(`\n${pc.bold(title)} ${pc.dim(`sallyport trace ${answer.traceId}`)}`);
    console.log(await wholeTrace(stack, answer.traceId, parts));
  }
}

function tracesToShow(answers: readonly DemoAnswer[]): [string, DemoAnswer, readonly string[]][] {
  const of = (server: string) => answers.filter((answer) => answer.server === server);
  return [
    ...of("orders").map((answer): [string, DemoAnswer, readonly string[]] => [
      "The first call, step by step",
      answer,
      ["edge", "connector", "broker", "vault", "upstream"],
    ]),
    ...of("sandbox").map((answer): [string, DemoAnswer, readonly string[]] => [
      "The session in a sandbox",
      answer,
      ["edge", "runner", "broker", "egress GET orders.internal", "egress GET elsewhere.internal"],
    ]),
  ];
}

/** Spans come when their zones send them: the trace is shown when it has all that the demo's call goes through. */
function wholeTrace(stack: Stack, trace: string, parts: readonly string[]): Promise<string> {
  const width = process.stdout.columns ?? 110;
  return until(
    "the trace of the demo's call",
    async () => {
      const text = await showTrace({ nats: stack.operatorNats, trace, color: pc.isColorSupported, width });
      return parts.every((part) => text.includes(part)) && text;
    },
    { within: 20_000 },
  );
}

async function stayUp(
  stack: Stack,
  until: { interrupted: Promise<"interrupted">; ended: Promise<string> },
): Promise<number> {
  const since = Date.now();
  const line = () => {
    const minutes = Math.floor((Date.now() - since) / 60_000);
    return `${pc.green("●")} ${stack.zones.size} zones up for ${minutes} min · ${stack.edgeUrl} · Ctrl-C stops everything`;
  };
  const timer = process.stdout.isTTY
    ? setInterval(() => process.stdout.write(`\r\u001b[K${line()}`), 1000)
    : undefined;
  process.stdout.write(`${line()}${timer ? "" : "\n"}`);
  try {
    const ended = await Promise.race([until.interrupted, until.ended]);
    process.stdout.write("\n");
    if (ended === "interrupted") return 0;
    throw new Stopped(`${ended} ended by itself; its log is in ${stack.dir}`);
  } finally {
    clearInterval(timer);
  }
}

/** A port that is taken is said at once, not after everything was started. */
async function freeOrRefuse(port: number): Promise<number> {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Stopped(`--port ${port} is not a port`);
  if (port === 0) return 0;
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () =>
      reject(new Stopped(`port ${port} is taken: stop what listens there, or use \`pnpm dev --port 0\``)),
    );
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve()));
  });
  return port;
}
