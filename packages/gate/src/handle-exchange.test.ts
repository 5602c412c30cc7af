import type { AuditFields } from "@sallyport/audit";
import type { Incoming } from "@sallyport/bus";
import { ServiceError } from "@sallyport/contracts";
import { compilePolicies } from "@sallyport/policy";
import { describe, expect, it, vi } from "vitest";
import { CallsInProgress } from "./calls-in-progress.ts";
import { handleExchange } from "./handle-exchange.ts";

const policies = compilePolicies([
  { name: "all.cedar", text: '@id("all") permit(principal, action, resource in Server::"orders");' },
]);

/** One `tools/call` that needs a credential, what is put on record of it, and what is answered. */
async function call(options: { lease(): Promise<object>; append?(fields: AuditFields): Promise<void> }) {
  const records: AuditFields[] = [];
  let body = "";
  const exchange = {
    id: 1,
    over: true,
    head: { grant: 1, server: "orders", method: "POST", headers: [], deadlineMs: 1_000 },
    body: Buffer.from('{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"look"}}'),
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
    ...{ tenant: "acme", calls: new CallsInProgress(), maxBodyBytes: 1_000, log: { warn: vi.fn() } },
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
