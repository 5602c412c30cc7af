import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@sallyport/testkit";
import { afterEach, expect, test } from "vitest";

const main = join(import.meta.dirname, "main.ts");
const folders: string[] = [];
const running = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function stateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-dev-"));
  folders.push(folder);
  return join(folder, "state");
}

interface Run {
  child: ChildProcess;
  out(): string;
  ended: Promise<number | null>;
}

function dev(...args: string[]): Run {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let out = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      out += chunk.toString("utf8");
    });
  }
  const ended = new Promise<number | null>((resolve) => {
    child.once("close", (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  return { child, out: () => out, ended };
}

/** Processes that run something below this folder, or were told of it. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const what = `${readlinkSync(`/proc/${pid}/cwd`)} ${readFileSync(`/proc/${pid}/cmdline`, "utf8")}`;
      return what.includes(folder) ? [`${pid} ${what.replaceAll("\0", " ")}`] : [];
    } catch {
      return [];
    }
  });
}

test("pnpm dev --once shows its answers, one trace through every zone and one of a sandbox, and leaves nothing running", async () => {
  const state = stateFolder();
  const run = dev("--once", "--port", "0", "--state", state);
  expect(await run.ended, run.out()).toBe(0);
  const text = run.out();
  expect(text).toContain("Ada Lovelace");
  expect(text).toMatch(/"current_user": "v-/);
  for (const span of [
    "edge",
    "connector",
    "broker",
    "vault read secret/data/sallyport/orders",
    "upstream tools/call get_order",
  ]) {
    expect(text).toContain(span);
  }
  expect(text).toMatch(/orders API answers to a placeholder: .*Ada Lovelace/);
  expect(text).toMatch(/goes nowhere else: .*placeholder of orders-api may go only to/);
  expect(text).toMatch(/nothing inside holds the token: ORDERS_TOKEN=sbx_/);
  for (const span of ["runner", "upstream tools/call bash", "egress GET orders.internal"])
    expect(text).toContain(span);
  expect(processesOf(state)).toEqual([]);
}, 120_000);

test("Ctrl-C ends everything, and a second pnpm dev meanwhile says that one runs", async () => {
  const state = stateFolder();
  const first = dev("--port", "0", "--state", state);
  await until("the status line", async () => first.out().includes("Ctrl-C stops everything"), {
    within: 90_000,
  });
  expect(first.out()).toContain("claude mcp add --transport http orders");

  const second = dev("--port", "0", "--state", state);
  expect(await second.ended).toBe(1);
  expect(second.out()).toMatch(
    /pnpm dev runs already \(process \d+\): http:\/\/127\.0\.0\.1:\d+\/mcp\/orders/,
  );

  first.child.kill("SIGINT");
  expect(await first.ended, first.out()).toBe(0);
  expect(processesOf(state)).toEqual([]);
}, 180_000);

test("a port that is taken is said before anything is started", async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, "127.0.0.1", resolve));
  const { port } = blocker.address() as { port: number };
  const state = stateFolder();
  const run = dev("--once", "--port", String(port), "--state", state);
  expect(await run.ended).toBe(1);
  expect(run.out()).toContain(`port ${port} is taken`);
  expect(run.out()).toContain("pnpm dev --port 0");
  expect(processesOf(state)).toEqual([]);
  await new Promise((resolve) => blocker.close(resolve));
}, 60_000);

test("a zone that dies ends the stack with its name and where its log is", async () => {
  const state = stateFolder();
  const run = dev("--port", "0", "--state", state);
  await until("the status line", async () => run.out().includes("Ctrl-C stops everything"), {
    within: 90_000,
  });
  const [line] = processesOf(state).filter((one) => one.includes("apps/connector/main.ts"));
  process.kill(Number(line?.split(" ")[0]), "SIGKILL");
  expect(await run.ended).toBe(1);
  expect(run.out()).toContain(`connector-connector-1 ended by itself; its log is in ${state}`);
  expect(processesOf(state)).toEqual([]);
}, 180_000);
