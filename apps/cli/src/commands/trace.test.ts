import { serve } from "@sallyport/bus";
import { readTrace, ServiceError, type Span } from "@sallyport/contracts";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { showTrace } from "../../index.ts";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

const id = "4bf92f3577b34da6a3ce929d0e0e4736";
const span: Span = {
  ...{ traceId: id, spanId: "00f067aa0ba902b7", zone: "edge", instance: "e1", kind: "server" },
  name: "tools/call \x1b[31mlookup\u202e",
  start: "1764000000000000000",
  end: "1764000000020000000",
  attributes: { "mcp.method.name": "tools/call" },
};

let relay: Relay;
let config: string;

beforeAll(async () => {
  relay = await startRelay();
  config = relay.config();
  const collector = await relay.bus({ zone: "collector", instance: "k1" });
  serve(collector, readTrace, async ({ trace }) => {
    if (trace === "last" || trace === id) return { spans: [span] };
    throw new ServiceError("not_found", `trace ${trace} is not in the collector's store`);
  });
  await collector.nats.flush();
});
afterAll(() => relay.stop());

test("the newest trace is drawn, and nothing in it can command the terminal", async () => {
  const { code, out, err } = await sallyport(["trace", "--config", config]);
  expect(err).toBe("");
  expect(code).toBe(0);
  expect(out).toContain(`trace ${id}: 1 span, 20.0 ms`);
  expect(out).toContain("edge tools/call \\u{1b}[31mlookup\\u{202e}");
});

test("as JSON the spans are as the collector gave them, escaped for the terminal", async () => {
  const { code, out } = await sallyport(["trace", id, "--json", "--config", config]);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ spans: [span] });
  expect(out).not.toMatch(/[\x1b\u202e]/);
});

test("a trace that is not there is exit code 1", async () => {
  const { code, out, err } = await sallyport(["trace", "0".repeat(32), "--config", config]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toBe(`sallyport: trace ${"0".repeat(32)} is not in the collector's store\n`);
});

test("what is no trace id is a usage error", async () => {
  const { code, err } = await sallyport(["trace", "4bf9", "--config", config]);
  expect(code).toBe(2);
  expect(err).toContain("a trace id has 32 hex digits");
});

test("the local stack gets the same text without a process", async () => {
  const text = await showTrace({ nats: relay.operator, trace: "last", color: false, width: 80 });
  expect(text).toContain("1 span");
});
