import { randomBytes } from "node:crypto";
import { type Bus, connectBus, request } from "@sallyport/bus";
import { readTrace } from "@sallyport/contracts";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, type Post, textOf, toolCall, wires } from "./call.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "reflector-secret-77e1";
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let stack: Stack;
let reflector: Reflector;
let operator: Bus;

beforeAll(async () => {
  reflector = await startReflector({ token: secret });
  const route = { url: reflector.url, secret };
  // A lease is asked once for each principal and server: every case has a server of its own.
  stack = await startTunnel({ routes: { header: route, meta: route, both: route, none: route } });
  operator = await connectBus({
    servers: [stack.nats.url],
    who: { zone: "operator", instance: "local" },
    credentials: { creds: stack.material.path("nats/operator-local.creds") },
    log: silent,
  });
});
afterAll(async () => {
  await operator?.close();
  await stack?.stop();
  await reflector?.close();
});

type Spans = Awaited<ReturnType<typeof spansOf>>;

async function spansOf(trace: string) {
  const { spans } = await request(operator, readTrace, { params: {}, input: { trace }, timeoutMs: 2_000 });
  return spans;
}

/** The spans of a trace once all that belong to a call with a fresh lease have arrived. */
function whole(trace: string): Promise<Spans> {
  return until(
    "the whole trace",
    async () => {
      const spans = await spansOf(trace);
      const zones = new Set(spans.map((span) => span.zone));
      const done = zones.has("edge") && zones.has("connector") && zones.has("broker");
      return done && spans.some((span) => span.kind === "client" && span.zone === "broker")
        ? spans
        : undefined;
    },
    { within: 15_000, every: 100 },
  );
}

const newTrace = () => {
  const id = randomBytes(16).toString("hex");
  const span = randomBytes(8).toString("hex");
  return { id, span, traceparent: `00-${id}-${span}-01` };
};

function withMeta(post: Post, meta: object): Post {
  const body = JSON.parse(post.body) as { params: { _meta?: object } };
  body.params._meta = { ...body.params._meta, ...meta };
  return { ...post, body: JSON.stringify(body) };
}

async function call(server: string, post: Post): Promise<void> {
  const reply = await ask(stack, { server, token: await stack.token(server) }, post);
  expect(textOf(reply)).toBe("secret argument");
}

/** Each span hangs under another one of the trace, up to the agent's own. */
function expectOneTree(spans: Spans, root: string | undefined): void {
  const ids = new Map(spans.map((span) => [span.spanId, span]));
  const tops = spans.filter((span) => span.parentId === undefined || !ids.has(span.parentId));
  expect(tops.map(({ zone, parentId }) => ({ zone, parentId }))).toEqual([{ zone: "edge", parentId: root }]);
}

describe.each([
  ["in the header", "header", "2025-11-25"],
  ["in params._meta", "meta", "2026-07-28"],
] as const)("the agent's traceparent %s", (_where, server, wire) => {
  it("is the trace of every zone's spans, down to Vault and the upstream", async () => {
    const trace = newTrace();
    const post = toolCall(wire, "plain", { text: "secret argument" });
    const traced =
      server === "header"
        ? { ...post, headers: { ...post.headers, traceparent: trace.traceparent } }
        : withMeta(post, { traceparent: trace.traceparent });
    await call(server, traced);
    const spans = await whole(trace.id);
    expectOneTree(spans, trace.span);
    const named = (zone: string, name: string | RegExp) =>
      spans.find(
        (span) =>
          span.zone === zone && (typeof name === "string" ? span.name === name : name.test(span.name)),
      );
    const edge = named("edge", "tools/call plain");
    const gate = named("connector", "gate tools/call plain");
    const upstream = named("connector", "upstream tools/call plain");
    const lease = named("broker", "lease");
    expect(edge).toMatchObject({ kind: "server", parentId: trace.span });
    expect(gate).toMatchObject({ kind: "server", parentId: edge?.spanId });
    expect(upstream).toMatchObject({ kind: "client", parentId: gate?.spanId });
    expect(named("connector", "policy")).toMatchObject({ parentId: gate?.spanId });
    expect(named("connector", "audit")).toMatchObject({ parentId: gate?.spanId });
    expect(lease).toMatchObject({ kind: "server", parentId: named("connector", "lease")?.spanId });
    expect(spans.find((span) => span.zone === "broker" && span.kind === "client")).toMatchObject({
      parentId: lease?.spanId,
    });
    // The upstream is told of the same trace, under the connector's own span.
    expect(reflector.seen().recent.at(-1)?.headers.traceparent).toBe(`00-${trace.id}-${upstream?.spanId}-01`);
    // Names and ids only: no argument, no result, no credential.
    expect(JSON.stringify(spans)).not.toContain("secret argument");
    expect(JSON.stringify(spans)).not.toContain(secret);
  });
});

it("takes the context in params._meta before the one in the header", async () => {
  const [inMeta, inHeader] = [newTrace(), newTrace()];
  const post = withMeta(toolCall("2026-07-28", "plain", { text: "secret argument" }), {
    traceparent: inMeta.traceparent,
  });
  await call("both", { ...post, headers: { ...post.headers, traceparent: inHeader.traceparent } });
  expectOneTree(await whole(inMeta.id), inMeta.span);
  await expect(spansOf(inHeader.id)).rejects.toThrow();
});

it.each(wires)(
  "begins a trace of its own where the agent sends none or a broken one, on the wire of %s",
  async (wire) => {
    const bent = { traceparent: "00-zz-1-01" };
    const post = withMeta(toolCall(wire, "plain", { text: "secret argument" }), bent);
    await call("none", { ...post, headers: { ...post.headers, ...bent } });
    const forwarded = reflector.seen().recent.at(-1)?.headers.traceparent;
    expect(forwarded).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  },
);
