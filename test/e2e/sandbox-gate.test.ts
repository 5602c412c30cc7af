import type { NatsConnection } from "@nats-io/transport-node";
import { connectBus } from "@sallyport/bus";
import { provisionStreams } from "@sallyport/infra-nats";
import { leakCheck, until } from "@sallyport/testkit";
import { takeWork } from "@sallyport/work";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, type Reply, requestOn, wires } from "./call.fixture.ts";
import { natsUser } from "./nats.fixture.ts";
import { type Caller, type SandboxSite, saidBy, startSandboxSite } from "./sandbox.fixture.ts";
import { heldBy } from "./sandbox-remains.fixture.ts";
import { tapAll } from "./traces.fixture.ts";

afterAll(leakCheck);

const policy = `
@id("connect") permit(principal, action in Action::"connect", resource);
@id("work") permit(principal, action == Action::"sandbox/exec", resource in Server::"box");
@id("one-only") permit(principal, action == Action::"sandbox/exec", resource in Server::"one");
@id("readers") permit(principal, action == Action::"sandbox/exec", resource == Tool::"few/read");
@id("few-other") permit(principal == Agent::"other-agent", action == Action::"sandbox/exec", resource == Tool::"few/bash");
@id("tools") permit(principal, action == Action::"tools/call", resource);
@id("no-push") @reason("nothing is pushed from here")
forbid(principal, action == Action::"sandbox/exec", resource == Tool::"box/bash")
when { context.arguments has command && context.arguments.command like "*git push*" };
`;

let site: SandboxSite;
let tap: NatsConnection;
/** Everything that passed NATS, in order. */
const carried: string[] = [];
beforeAll(async () => {
  site = await startSandboxSite({
    pools: { box: {}, few: {}, none: {}, one: { slots: 1 } },
    policy,
    more: { placement: "3s" },
  });
  tap = await tapAll(site.stack, { into: carried, mayPublish: "tap.nothing" });
}, 120_000);
afterAll(async () => {
  await tap?.close();
  await site?.stop();
});

const to = (pool: string) => site.to(pool);

interface Recorded {
  kind: string;
  action?: string;
  event?: string;
  target?: string;
  allow?: boolean;
  rule?: string;
  server?: string;
  outcome?: string;
  credential?: string;
  traceId?: string;
}

/** The audit records since then, in the order in which they were sent. */
function recordsSince(at: number): Recorded[] {
  return carried
    .slice(at)
    .filter((message) => message.startsWith("audit.v1.runner."))
    .flatMap((message) => message.slice(message.indexOf(" {") + 1).split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Recorded);
}

describe.each(wires)("a policy on sandbox/exec, on the wire of %s", (wire) => {
  it("denies by what the command says, with rule and reason, before anything runs", async () => {
    const work = await site.begin(wire, to("box"));
    const { message } = await work.bash("touch ran; git push origin main");
    expect(message.error).toMatchObject({
      code: -31403,
      message: 'Denied by policy rule "no-push": nothing is pushed from here',
      data: { sallyport: { code: "denied", source: "runner", rule: "no-push", retryable: false } },
    });
    expect(saidBy(await work.bash("ls"))).toBe("(no output)");
  });

  it("is not met by a permit of tools/call: nothing is claimed, nothing runs", async () => {
    const before = heldBy(site.stack).folders.length;
    const begun = await site.tryToBegin(wire, to("none"));
    if (wire === "2026-07-28") expect(begun.message.error?.code).toBe(-31403);
    else {
      const work = await site.begin(wire, to("none"));
      expect((await work.bash("true")).message.error?.code).toBe(-31403);
    }
    expect(heldBy(site.stack).folders.length).toBe(before);
  });

  it("shows in tools/list only what this agent could call", async () => {
    const listFor = async (caller: Caller): Promise<string[] | undefined> => {
      const list = requestOn(wire, "tools/list");
      const session: Record<string, string> =
        wire === "2026-07-28" ? {} : { "mcp-session-id": (await site.begin(wire, caller)).handle };
      const { message } = await ask(site.stack, caller, {
        ...list,
        headers: { ...list.headers, ...session },
      });
      return message.result?.tools?.map(({ name }) => name).sort();
    };
    expect(await listFor(to("few"))).toEqual(["read"]);
    expect(await listFor(await site.asOther("few"))).toEqual(["bash", "read"]);
  });

  it("puts decision and start on record before the command acts, and its requests with theirs", async () => {
    const work = await site.begin(wire, to("box"));
    const at = carried.length;
    const asked = site.orders.seen.length;
    const said = saidBy(await work.bash('curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" $ORDERS/A-1'));
    expect(said).toContain("A-1001");
    expect(site.orders.seen.length).toBe(asked + 1);
    const story = () =>
      recordsSince(at).map(
        ({ kind, event, action, allow, rule }) => event ?? `${kind} ${action} ${allow} ${rule}`,
      );
    const sentAt = () => story().indexOf("decision http/request true orders");
    await until("the end on record", () => sentAt() >= 0 && story().lastIndexOf("end") > sentAt(), {
      within: 5_000,
    });
    const [decision, start] = ["decision sandbox/exec true work", "start"].map((step) =>
      story().indexOf(step),
    );
    expect([(decision ?? -1) >= 0, (start ?? -1) >= 0], JSON.stringify(story())).toEqual([true, true]);
    expect(Math.max(decision ?? 0, start ?? 0)).toBeLessThan(sentAt());
    const sent = recordsSince(at).find(({ action }) => action === "http/request");
    expect(sent?.target).toBe(`GET http://orders.internal:${site.orders.port}/orders/A-1`);
    expect(sent).toMatchObject({ server: "box", credential: "orders" });
  });

  it("refuses a placeholder that goes where it is not bound, and has that on record", async () => {
    const work = await site.begin(wire, to("box"));
    const [at, asked] = [carried.length, site.orders.seen.length];
    const said = saidBy(await work.bash('curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" $ELSEWHERE/A-1'));
    expect(said).toMatch(/placeholder/);
    expect(site.orders.seen.length).toBe(asked);
    const refusals = recordsSince(at).filter(({ action, allow }) => action === "http/request" && !allow);
    expect(refusals).toHaveLength(1);
    expect(saidBy(await work.bash("curl -sS -m 5 http://example.com/; true"))).toMatch(/denied|policy|rule/i);
  });
});

describe("without an audit log", () => {
  it("nothing runs, no session begins and no request leaves; all of it works when the log is back", async () => {
    const works = await Promise.all(wires.map((wire) => site.begin(wire, to("box"))));
    const [, ofSession] = works;
    // One that runs already, and would send something later.
    await ofSession?.bash(
      '(while sleep 0.2; do curl -sS -o last -H "Authorization: Bearer $ORDERS_TOKEN" $ORDERS/A-1; done) >/dev/null 2>&1 &',
    );
    const vandal = await natsUser(site.stack, "vandal", {
      pub: { allow: ["$JS.API.STREAM.DELETE.AUDIT"] },
      sub: { allow: ["_INBOX.>"] },
    });
    const unavailable = { code: -31503, data: { sallyport: { code: "unavailable", retryable: true } } };
    try {
      await until("requests", () => site.orders.seen.length > 0, { within: 5_000 });
      await vandal.request("$JS.API.STREAM.DELETE.AUDIT", "");
      const asked = site.orders.seen.length;
      const folders = heldBy(site.stack).folders.length;
      for (const work of works)
        expect((await work.bash("touch ran")).message.error).toMatchObject(unavailable);
      for (const wire of wires)
        expect((await site.tryToBegin(wire, to("box"))).message.error).toMatchObject(unavailable);
      expect(site.orders.seen.length).toBeLessThanOrEqual(asked + 1);
      expect(heldBy(site.stack).folders.length).toBe(folders);
    } finally {
      await vandal.close();
      await provisionStreams({
        servers: [site.stack.nats.url],
        creds: await site.stack.material.provisionerCreds(),
        maxBytes: { log: 256 * 1024 ** 2, bucket: 64 * 1024 ** 2 },
      });
    }
    for (const work of works) {
      const list = async (): Promise<Reply | undefined> => {
        const reply = await work.bash("ls ran 2>&1");
        return reply.message.result === undefined ? undefined : reply;
      };
      expect(saidBy(await until("calls running again", list, { within: 10_000 }))).toMatch(/No such file/);
    }
    await site.end({ ...to("box"), handle: ofSession?.handle ?? "" });
  });
});

describe("a runner that is not enrolled for a pool", () => {
  it("is given none of its work, though NATS lets it ask", async () => {
    const held = await site.begin("2026-07-28", to("one"));
    expect(saidBy(await held.bash("echo full"))).toBe("full");
    const { stack } = site;
    const quiet = { info: () => {}, warn: () => {}, error: () => {} };
    const creds = await stack.material.user({ zone: "runner", instance: "stranger" });
    const bus = await connectBus({
      ...{ servers: [stack.nats.url], who: { zone: "runner", instance: "stranger" }, log: quiet },
      credentials: { creds },
    });
    const taken: string[] = [];
    const capabilities = { kernel: ["shared" as const], network: ["none" as const, "egress" as const] };
    const work = takeWork({
      ...{ bus, pool: "one", slots: 4 },
      capabilities: { ...capabilities, memoryMiB: 4_096, pids: 4_096, cpu: 8, diskMiB: 4_096 },
      run: async ({ id }) => void taken.push(id),
    });
    try {
      const began = performance.now();
      const { message } = await site.tryToBegin("2025-11-25", await site.asOther("one"));
      expect(performance.now() - began).toBeGreaterThan(2_500);
      expect(message.error?.message).toMatch(/no runner of pool one took the session in time/);
      expect(taken).toEqual([]);
    } finally {
      await work.close();
      await bus.close();
    }
  });
});
