import type { AuditFields } from "@sallyport/audit";
import type { Incoming } from "@sallyport/bus";
import { ServiceError } from "@sallyport/contracts";
import { compilePolicies } from "@sallyport/policy";
import { describe, expect, it, vi } from "vitest";
import type { GateZone } from "./call.ts";
import { CallsInProgress } from "./calls-in-progress.ts";
import { handleExchange } from "./handle-exchange.ts";

const policies = compilePolicies([
  {
    name: "all.cedar",
    text: `@id("all") permit(principal, action, resource in Server::"orders");
@id("none") @reason("never") forbid(principal, action, resource == Tool::"orders/wipe");`,
  },
]);

const tool = (name: string) =>
  JSON.stringify({ jsonrpc: "2.0", id: "a", method: "tools/call", params: { name } });

/** One `tools/call` that needs a credential, what is put on record of it, and what is answered. */
async function call(options: {
  lease(): Promise<object>;
  append?(fields: AuditFields): Promise<void>;
  zone?: GateZone;
  body?: string;
}) {
  const { zone = "connector" } = options;
  const records: AuditFields[] = [];
  let body = "";
  const exchange = {
    id: 1,
    over: true,
    head: { grant: 1, server: "orders", method: "POST", headers: [], deadlineMs: 1_000 },
    body: Buffer.from(options.body ?? tool("look")),
    reply: () => undefined,
    write: (bytes: Uint8Array) => {
      body += Buffer.from(bytes).toString();
    },
    end: () => undefined,
  } as unknown as Incoming;
  const take = async (fields: AuditFields) => {
    await options.append?.(fields);
    records.push(fields);
  };
  const deps = {
    policies,
    servers: new Map([["orders", { credential: { name: "key" }, upstream: { needsLease: () => true } }]]),
    ...{
      zone,
      tenant: "acme",
      calls: new CallsInProgress(zone),
      maxBodyBytes: 1_000,
      log: { warn: vi.fn() },
    },
    leases: { cached: () => undefined, use: options.lease },
    audit: { append: take, appendLater: take },
  };
  const facts = { id: "g-1", agent: "a", server: "orders" };
  await handleExchange(deps as never, exchange, { use: async () => ({ facts, principal: "a" }) } as never);
  return { records, answer: JSON.parse(body) as object };
}

describe("a call whose credential cannot be had", () => {
  it("has the end of its upstream request on record, too", async () => {
    const { records, answer } = await call({
      lease: () => Promise.reject(new ServiceError("unavailable", "Vault is away")),
    });
    expect(answer).toMatchObject({ id: "a", error: { data: { sallyport: { source: "broker" } } } });
    expect(records).toMatchObject([
      { kind: "decision", allow: true },
      { kind: "upstream", event: "start" },
      { kind: "upstream", event: "end", outcome: "failed", reason: "Vault is away", bytesOut: 0 },
    ]);
  });
});

describe("a call that cannot be put on record", () => {
  it("gives its lease back unused, and no end is recorded of what has no start", async () => {
    const done = vi.fn();
    const { records, answer } = await call({
      lease: async () => ({ done }),
      append: () => Promise.reject(new Error("full")),
    });
    expect(answer).toMatchObject({ id: "a", error: { data: { sallyport: { source: "audit" } } } });
    expect([done.mock.calls.length, records]).toEqual([1, []]);
  });
});

describe.each(["connector", "runner"] as const)("a call that a %s does not make", (zone) => {
  const lease = () => Promise.reject(new ServiceError("denied", "no lease rule allows it"));

  it("names that zone where its policy says no, or the body is not taken", async () => {
    const denied = await call({ zone, lease, body: tool("wipe") });
    expect(denied.answer).toMatchObject({
      error: { code: -31403, data: { sallyport: { code: "denied", source: zone, rule: "none" } } },
    });
    const odd = await call({ zone, lease, body: '{"jsonrpc":"2.0","id":"a","id":"b","method":"ping"}' });
    expect(odd.answer).toMatchObject({ error: { data: { sallyport: { code: "invalid", source: zone } } } });
  });

  it("names the broker where its rules say no", async () => {
    const { answer } = await call({ zone, lease });
    expect(answer).toMatchObject({
      error: { code: -31403, data: { sallyport: { code: "denied", source: "broker" } } },
    });
  });
});
