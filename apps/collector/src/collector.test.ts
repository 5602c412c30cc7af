import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SpanKind, trace } from "@opentelemetry/api";
import { type Bus, connectBus, publish, request } from "@sallyport/bus";
import { readTrace, telemetryExport, type ZoneInstance } from "@sallyport/contracts";
import { createTrust, issueUser, serverConfig, type Trust } from "@sallyport/infra-nats";
import { startTelemetry } from "@sallyport/runtime";
import { type NatsServer, startNats, until } from "@sallyport/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const quiet = { info: () => {}, warn: () => {}, error: () => {} };

let folder: string;
let trust: Trust;
let nats: NatsServer;
let collector: ChildProcess | undefined;
const buses: Bus[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "collector-"));
  trust = await createTrust({ name: "test" });
  const jetstream = { dir: "jetstream", syncAlways: false, maxBytes: 16 * 1024 ** 2 };
  nats = await startNats({ jetstream: false, config: serverConfig(trust, { jetstream }) });
});

afterEach(async () => {
  for (const bus of buses.splice(0)) await bus.close();
  if (collector !== undefined && collector.exitCode === null) {
    collector.kill("SIGTERM");
    await once(collector, "close");
  }
  await nats.stop();
  rmSync(folder, { recursive: true });
});

async function credsOf(who: ZoneInstance): Promise<string> {
  const file = join(folder, `${who.zone}-${who.instance}.creds`);
  writeFileSync(file, await issueUser(trust, who), { mode: 0o600 });
  return file;
}

async function busOf(who: ZoneInstance): Promise<Bus> {
  const creds = await credsOf(who);
  const bus = await connectBus({ servers: [nats.url], who, credentials: { creds }, log: quiet });
  buses.push(bus);
  return bus;
}

async function startCollector(more = ""): Promise<() => string> {
  const creds = await credsOf({ zone: "collector", instance: "k1" });
  const config = join(folder, "collector.yaml");
  writeFileSync(
    config,
    `instance: k1\nnats: { servers: ["${nats.url}"], creds: ${creds} }\nstore: { file: spans.db }\n${more}`,
  );
  const child = spawn(process.execPath, [main, "--config", config], {
    env: { PATH: process.env.PATH ?? "" },
  });
  collector = child;
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  await until("the collector is ready", () => output.includes('"ready"'), { within: 15_000 }).catch(
    (error) => {
      throw new Error(`${(error as Error).message}\n${output}`);
    },
  );
  return () => output;
}

async function exportSpan(bus: Bus, name: string): Promise<string> {
  const { zone, instance } = bus.who;
  const telemetry = startTelemetry({
    zone,
    instance,
    version: "0.1.0",
    publish: (signal, body) => publish(bus, telemetryExport, { params: { zone, instance, signal }, body }),
  });
  const attributes = { "mcp.method.name": "tools/call", "gen_ai.tool.name": "lookup" };
  const span = trace.getTracer("test").startSpan(name, { kind: SpanKind.SERVER, attributes });
  span.end();
  await telemetry.close();
  return span.spanContext().traceId;
}

const ask = (operator: Bus, id: string) =>
  request(operator, readTrace, { params: {}, input: { trace: id }, timeoutMs: 2000 });

test("a zone's span goes over NATS to the store, the backend and the operator; forged ones go nowhere", async () => {
  const bodies: Buffer[] = [];
  const server = createServer(async (incoming, answer) => {
    for await (const chunk of incoming) bodies.push(chunk as Buffer);
    answer.end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const output = await startCollector(
    `forward: [{ url: "http://127.0.0.1:${(server.address() as AddressInfo).port}" }]\n`,
  );
  const edge = await busOf({ zone: "edge", instance: "e1" });
  const operator = await busOf({ zone: "operator", instance: "o1" });
  await expect(ask(operator, "last")).rejects.toMatchObject({ code: "not_found" });

  // The edge's own subject with another zone's name inside: NATS lets it pass, the collector does not.
  const forging = startTelemetry({
    zone: "broker",
    instance: "b1",
    version: "0.1.0",
    publish: (signal, body) =>
      publish(edge, telemetryExport, { params: { zone: "edge", instance: "e1", signal }, body }),
  });
  trace.getTracer("test").startSpan("forged").end();
  await forging.close();

  const traceId = await exportSpan(edge, "tools/call lookup");
  const answer = await until("the trace is stored", () => ask(operator, traceId), { within: 5000 });
  expect(answer.spans).toMatchObject([{ traceId, zone: "edge", instance: "e1", name: "tools/call lookup" }]);
  expect((await ask(operator, "last")).spans[0]?.traceId).toBe(traceId);
  await until("the backend has it", () => Buffer.concat(bodies).includes("tools/call lookup"), {
    within: 5000,
  });
  expect(Buffer.concat(bodies).includes("forged")).toBe(false);
  expect(output()).toContain("another than its sender");

  collector?.kill("SIGTERM");
  const [code] = await once(collector as ChildProcess, "close");
  expect(code).toBe(0);
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

test("a secret header over plain http beyond loopback stops the boot", async () => {
  writeFileSync(join(folder, "token"), "Bearer x", { mode: 0o600 });
  const config = join(folder, "bad.yaml");
  const header = "secretHeader: { name: authorization, value: token }";
  writeFileSync(
    config,
    `nats: { servers: ["${nats.url}"], creds: none }\nstore: { file: spans.db }\nforward: [{ url: "http://otel.example:4318", ${header} }]\n`,
  );
  const child = spawn(process.execPath, [main, "--config", config, "--check"], { env: {} });
  let output = "";
  child.stderr.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code] = await once(child, "close");
  expect(code).toBe(78);
  expect(output).toContain("would cross the network in clear");
});
