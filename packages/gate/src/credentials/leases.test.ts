import { ServiceError } from "@sallyport/contracts";
import { compileScrub } from "@sallyport/scrub";
import { beforeEach, describe, expect, it } from "vitest";
import type { LiveGrant } from "../grants.ts";
import { type Lease, type LeaseSource, Leases, statelessSession } from "./leases.ts";

const minutes = (count: number) => count * 60_000;
const grant = { facts: { server: "orders" } } as LiveGrant;
const ask = (session = "s-1", credential = "orders-api") => ({
  grant,
  credential,
  session,
  traceparent: undefined,
});

let now: number;
let asked: string[];
let released: string[];
let claimed: (readonly string[])[];
let fail: ServiceError | undefined;
let leases: Leases;
beforeEach(() => {
  now = 0;
  asked = [];
  released = [];
  claimed = [];
  fail = undefined;
  const source: LeaseSource = {
    lease: async ({ credential, session }): Promise<Lease> => {
      asked.push(`${session} ${credential}`);
      if (fail) throw fail;
      const material = { value: Buffer.from("secret-value-1") };
      const scrubber = compileScrub([{ name: credential, ...material }]);
      return {
        id: `l-${asked.length}`,
        credential,
        session,
        material,
        scrubber,
        expiresAt: now + minutes(10),
      };
    },
    release: async (session) => {
      released.push(session);
    },
    claim: async (sessions) => {
      claimed.push(sessions);
      return 22_000;
    },
  };
  leases = new Leases(source, () => now);
});

describe("a lease", () => {
  it("is asked for once, however many calls of a session come at once, and reused by the next", async () => {
    const used = await Promise.all(Array.from({ length: 50 }, () => leases.use(ask())));
    expect(new Set(used.map(({ lease }) => lease.id)).size).toBe(1);
    expect(leases.cached(ask())?.lease.id).toBe("l-1");
    expect(asked).toEqual(["s-1 orders-api"]);
  });

  it("is another one for another session or credential", async () => {
    await Promise.all([leases.use(ask("s-1")), leases.use(ask("s-2")), leases.use(ask("s-1", "other"))]);
    expect(asked.toSorted()).toEqual(["s-1 orders-api", "s-1 other", "s-2 orders-api"]);
    expect(leases.cached(ask("s-3"))).toBeUndefined();
  });

  it("is asked for anew shortly before it expires, never used after", async () => {
    await leases.use(ask());
    now = minutes(10) - 15_000;
    expect(leases.cached(ask())?.lease.id).toBe("l-1");
    now += 1;
    expect(leases.cached(ask())).toBeUndefined();
    expect((await leases.use(ask())).lease.id).toBe("l-2");
  });

  it("that the broker refuses fails its callers, and the next call asks again", async () => {
    fail = new ServiceError("unavailable", "the broker is away");
    const both = await Promise.allSettled([leases.use(ask()), leases.use(ask())]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    expect(asked).toHaveLength(1);
    fail = undefined;
    expect((await leases.use(ask())).lease.id).toBe("l-2");
  });

  it("is given back when its session ends, once, and not used again", async () => {
    await leases.use(ask());
    await leases.end("s-1");
    await leases.end("s-1");
    await leases.end("never-there");
    expect(released).toEqual(["s-1"]);
    expect(leases.cached(ask())).toBeUndefined();
  });

  it("is given back when nobody used its session for five minutes; not while a call or a process runs on it", async () => {
    const running = await leases.use(ask("running"));
    (await leases.use(ask("idle"))).done();
    (await leases.use(ask("pinned"))).done();
    leases.pin("pinned");
    now = minutes(5) - 1;
    await leases.sweep();
    expect(released).toEqual([]);
    now = minutes(5);
    await leases.sweep();
    expect(released).toEqual(["idle"]);
    running.done();
    now = minutes(10);
    await leases.sweep();
    expect(released).toEqual(["idle", "running"]);
    expect(claimed.at(-1)).toEqual(["pinned"]);
  });

  it("of every session is given back when the connector closes", async () => {
    await Promise.all([leases.use(ask("s-1")), leases.use(ask("s-2"))]);
    await leases.close();
    expect(released.toSorted()).toEqual(["s-1", "s-2"]);
  });

  it("without sessions is the principal's, for one server", () => {
    const names = [
      statelessSession({ principal: "a", server: "b" }),
      statelessSession({ principal: "ab", server: "" }),
      statelessSession({ principal: "b", server: "a" }),
    ];
    expect(new Set(names).size).toBe(3);
    expect(statelessSession({ principal: "a", server: "b" })).toBe(names[0]);
  });
});
