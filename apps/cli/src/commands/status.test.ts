import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { publish } from "@sallyport/bus";
import { presence } from "@sallyport/contracts";
import { generateRecipientKey } from "@sallyport/seal";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

let relay: Relay;
let config: string;
const timers: NodeJS.Timeout[] = [];
const started = new Date(Date.now() - 3_661_000).toISOString();

/** A zone that announces itself, with its own NATS user, as the real ones do. */
async function announce(
  zone: "broker" | "connector" | "runner",
  instance: string,
  body: object,
): Promise<void> {
  const bus = await relay.bus({ zone, instance });
  const say = () =>
    publish(bus, presence, {
      params: { zone, instance },
      body: { boot: "b1", version: "0.1.0", startedAt: started, ...body },
    });
  timers.push(setInterval(say, 200));
}

beforeAll(async () => {
  relay = await startRelay();
  config = relay.config({ edge: { url: "https://agents.example.com" } });
  await announce("broker", "b1", { problems: ["vault is \x1b[2Jsealed"] });
  await announce("connector", "c1", {
    servers: [
      { name: "orders", ready: true },
      { name: "tickets", ready: false, problem: "connection refused" },
    ],
  });
  await announce("connector", "c2", { servers: [{ name: "orders", ready: true }] });
  await announce("runner", "r1", { servers: [{ name: "sandbox", ready: true }] });
});
afterAll(async () => {
  for (const timer of timers) clearInterval(timer);
  await relay.stop();
});

test("status lists who is alive, since when, and what is wrong there; nothing in it can command the terminal", async () => {
  const { code, out, err } = await sallyport(["status", "--config", config]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const lines = out.trimEnd().split("\n");
  expect(lines[0]).toMatch(/^ZONE +INSTANCE +STATE +VERSION +UP +PROBLEMS$/);
  expect(lines[1]).toMatch(/^broker +b1 +problem +0\.1\.0 +1h 1m +vault is \\u\{1b\}\[2Jsealed$/);
  expect(lines[2]).toMatch(/^connector +c1 +problem +0\.1\.0 +1h 1m +tickets: connection refused$/);
  expect(lines[3]).toMatch(/^connector +c2 +up /);
  expect(lines[4]).toMatch(/^runner +r1 +up /);
  expect(lines).toHaveLength(5);
});

test("status as JSON is what the instances say, with zone and instance as NATS pins them", async () => {
  const { out } = await sallyport(["status", "--json", "--config", config]);
  expect(out).not.toContain("\x1b");
  const { instances } = JSON.parse(out);
  expect(instances).toHaveLength(4);
  expect(instances[0]).toMatchObject({
    zone: "broker",
    instance: "b1",
    problems: ["vault is \x1b[2Jsealed"],
  });
});

test("status --watch shows it again until a signal, which is the exit code", async () => {
  const { code, out } = await sallyport(["status", "--watch", "--json", "--config", config], {
    watch: ({ out, kill }) => {
      if (out.split("\n").length > 2) kill("SIGINT");
    },
  });
  expect(code).toBe(130);
  for (const line of out.trimEnd().split("\n")) expect(JSON.parse(line).instances).toHaveLength(4);
});

test("servers lists each server and pool with who offers it, state and what agents call", async () => {
  const { code, out } = await sallyport(["servers", "--config", config]);
  expect(code).toBe(0);
  expect(out).toMatch(/^orders +c1 +ready +https:\/\/agents\.example\.com\/mcp\/orders$/m);
  expect(out).toMatch(/^orders +c2 +ready /m);
  expect(out).toMatch(/^sandbox +r1 +ready +https:\/\/agents\.example\.com\/mcp\/sandbox$/m);
  expect(out).toMatch(/^tickets +c1 +not ready +https:\S+ +connection refused$/m);
});

test("servers as JSON", async () => {
  const { out } = await sallyport(["servers", "--json", "--config", config]);
  expect(JSON.parse(out).servers).toEqual([
    {
      name: "orders",
      ready: true,
      url: "https://agents.example.com/mcp/orders",
      connectors: [
        { connector: "c1", ready: true },
        { connector: "c2", ready: true },
      ],
    },
    {
      name: "sandbox",
      ready: true,
      url: "https://agents.example.com/mcp/sandbox",
      connectors: [{ connector: "r1", zone: "runner", ready: true }],
    },
    {
      name: "tickets",
      ready: false,
      url: "https://agents.example.com/mcp/tickets",
      connectors: [{ connector: "c1", ready: false, problem: "connection refused" }],
    },
  ]);
});

test("what a connector offers and is not enrolled for is not enrolled, however ready it says it is", async () => {
  const folder = join(relay.folder, "enrolments");
  mkdirSync(folder);
  const enrol = async (file: string, connector: string, servers: string[]) => {
    const { publicKey } = await generateRecipientKey();
    writeFileSync(join(folder, file), JSON.stringify({ connector, publicKey, servers }));
  };
  await enrol("c1.json", "c1", ["orders"]);
  await enrol("r1.json", "r1", ["sandbox"]);
  const enrolled = relay.write("enrolled.yaml", stringify({ nats: relay.operator, enrolments: folder }));
  const { out } = await sallyport(["servers", "--config", enrolled]);
  expect(out).toMatch(/^orders +c1 +ready /m);
  expect(out).toMatch(/^orders +c2 +not enrolled /m);
  // Enrolled as a connector, which a runner of this name is not.
  expect(out).toMatch(/^sandbox +r1 +not enrolled /m);
  expect(out).toMatch(/^tickets +c1 +not enrolled .*connection refused$/m);
  // An edge does not believe a second file for the same connector.
  await enrol("c1.x.json", "c1", ["tickets"]);
  await enrol("c2.json", "c2", ["other"]);
  const { out: json } = await sallyport(["servers", "--json", "--config", enrolled]);
  expect(JSON.parse(json).servers).toMatchObject([
    {
      name: "orders",
      ready: true,
      connectors: [
        { connector: "c1", ready: true, enrolled: true },
        { connector: "c2", ready: false, enrolled: false },
      ],
    },
    { name: "sandbox", ready: false },
    { name: "tickets", ready: false, connectors: [{ connector: "c1", ready: false, enrolled: false }] },
  ]);
});
