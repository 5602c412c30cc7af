import { randomBytes } from "node:crypto";
import { connectBus, request } from "@sallyport/bus";
import { readTrace, type Span } from "@sallyport/contracts";
import type { Stack } from "@sallyport/infra-local";
import { until } from "@sallyport/testkit";
import { Pool } from "undici";
import { type Target, tracedCall } from "./load.ts";

const calls = 200;

export interface Part {
  name: string;
  /** Median, microseconds. */
  time: number;
}

/** Where the time of one call goes, one call at a time, by the spans that its zones wrote. */
export async function breakdown(stack: Stack, target: Target): Promise<Part[]> {
  const traces: string[] = [];
  const pool = new Pool(new URL(target.url).origin, { connections: 1 });
  for (let at = 0; at < calls; at += 1) {
    const trace = randomBytes(16).toString("hex");
    await tracedCall(pool, target, `00-${trace}-${randomBytes(8).toString("hex")}-01`);
    traces.push(trace);
  }
  await pool.close();
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const { servers, creds, instance } = stack.operatorNats;
  const bus = await connectBus({
    servers,
    who: { zone: "operator", instance },
    credentials: { creds },
    log: silent,
  });
  try {
    const spansOf = (trace: string) =>
      request(bus, readTrace, { params: {}, input: { trace }, timeoutMs: 5_000 }).then(({ spans }) => spans);
    await until("the last trace", async () => (await spansOf(traces.at(-1) as string)).length >= 5, {
      within: 20_000,
    });
    const rows = new Map<string, number[]>();
    for (const trace of traces) {
      for (const [name, time] of partsOf(await spansOf(trace)))
        rows.set(name, [...(rows.get(name) ?? []), time]);
    }
    return [...rows].map(([name, times]) => ({
      name,
      time: times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0,
    }));
  } finally {
    await bus.close();
  }
}

/** The stretches of one call. Each is taken within one process: clocks of two differ by more than a hop. */
function partsOf(spans: readonly Span[]): [string, number][] {
  const find = (zone: string, name: string) =>
    spans.find((span) => span.zone === zone && span.name.startsWith(name));
  const edge = find("edge", "tools/call");
  const gate = find("connector", "gate");
  const policy = find("connector", "policy");
  const audit = find("connector", "audit");
  const upstream = find("connector", "upstream");
  if (!edge || !gate || !policy || !audit || !upstream) return [];
  const us = (from: string, to: string) => Number((BigInt(to) - BigInt(from)) / 1000n);
  const whole = us(edge.start, edge.end);
  const inside = us(gate.start, gate.end);
  return [
    ["the whole call at the edge, of which", whole],
    ["  edge, sealing, and the relay both ways", whole - inside],
    ["  gate: policy", us(policy.start, policy.end)],
    ["  gate: record, until it is acknowledged", us(audit.start, audit.end)],
    ["  upstream, until its answer is scrubbed and handed on", us(upstream.start, upstream.end)],
    [
      "  gate: all else",
      inside - [policy, audit, upstream].reduce((sum, one) => sum + us(one.start, one.end), 0),
    ],
  ];
}
