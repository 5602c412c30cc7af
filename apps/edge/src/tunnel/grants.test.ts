import { generateKeyPairSync, type webcrypto } from "node:crypto";
import { Link } from "@sallyport/bus";
import { ServiceError } from "@sallyport/contracts";
import { type GrantFacts, verifyGrant } from "@sallyport/grant";
import { afterEach, describe, expect, it } from "vitest";
import { type Caller, Grants } from "./grants.ts";

const keys = generateKeyPairSync("ed25519");
const { privateKey: probe } = (await crypto.subtle.generateKey("Ed25519", false, [
  "sign",
])) as webcrypto.CryptoKeyPair;
const start = Date.parse("2026-11-24T12:00:00Z");
const minutes = (count: number) => count * 60_000;

type Said = { type: string; handle: number; grant?: string; token?: string };

const links: Link[] = [];
afterEach(() => {
  for (const link of links.splice(0)) link.close(new ServiceError("unavailable", "over"));
});

/** The grants of one link on a clock of the test's own, and what is said on the link. */
function fixture() {
  const clock = { now: start };
  const said: Said[] = [];
  const link = new Link({
    cipher: { seal: (parts) => Buffer.concat(parts), open: (bytes) => bytes },
    send: () => true,
    dead: () => undefined,
  });
  links.push(link);
  link.control = (message) => {
    said.push(message as Said);
  };
  const signer = { edge: "e1", tenant: "acme", key: keys.privateKey, now: () => new Date(clock.now) };
  const grants = new Grants(link, signer, { connector: "c1", session: "s-1" });
  const read = (grant = ""): Promise<GrantFacts> =>
    verifyGrant(grant, {
      edgeKey: () => keys.publicKey,
      tenant: "acme",
      connector: "c1",
      session: "s-1",
      now: new Date(clock.now),
    });
  /** Renewals that were begun are signed when two more signatures behind them are: signing goes through a thread pool. */
  const signed = async () => {
    for (let turn = 0; turn < 2; turn += 1) await crypto.subtle.sign("Ed25519", probe, Buffer.from("after"));
    await new Promise((resolve) => setImmediate(resolve));
  };
  const shown = () => said.filter((one) => one.type === "grant");
  const dropped = () => said.filter((one) => one.type === "drop").map((one) => one.handle);
  /** Sweeps every two seconds, as the edge does, up to this time. */
  const sweepUntil = async (time: number) => {
    for (; clock.now <= time; clock.now += 2_000) {
      grants.sweep();
      await signed();
    }
  };
  return { clock, grants, read, shown, dropped, sweepUntil };
}

function caller(agent: string, tokenEndsAt: number): Caller {
  return {
    token: `token of ${agent}`,
    facts: {
      issuer: "https://issuer.example",
      subject: agent,
      agent,
      scopes: ["mcp:orders"],
      expiresAt: new Date(tokenEndsAt),
      hash: Buffer.alloc(32, agent).toString("base64url"),
    },
  };
}

describe("a grant", () => {
  it("is signed and shown once, with its token, however many calls come", async () => {
    const { grants, shown, read } = fixture();
    const agent = caller("a", start + minutes(60));
    const used = await Promise.all(Array.from({ length: 50 }, () => grants.use(agent, "orders")));
    expect(new Set(used.map(({ handle }) => handle)).size).toBe(1);
    expect(shown()).toHaveLength(1);
    expect(shown()[0]?.token).toBe("token of a");
    expect(await read(shown()[0]?.grant)).toMatchObject({
      agent: "a",
      server: "orders",
      connector: "c1",
      session: "s-1",
      tokenHash: agent.facts.hash,
      expiresAt: new Date(start + minutes(5)),
    });
  });

  it("counts a call as the link's from the moment it asks until it releases, also when it is refused", async () => {
    const { grants, clock } = fixture();
    const agent = caller("a", start + minutes(2));
    const asked = [grants.use(agent, "orders"), grants.use(agent, "orders")];
    expect(grants.inUse).toBe(2);
    for (const { release } of await Promise.all(asked)) release();
    expect(grants.inUse).toBe(0);
    clock.now = start + minutes(2);
    await expect(grants.use(agent, "orders")).rejects.toThrow();
    expect(grants.inUse).toBe(0);
  });

  it("is another one for another agent, token or server", async () => {
    const { grants, shown } = fixture();
    const [one, two] = [caller("a", start + minutes(60)), caller("b", start + minutes(60))];
    const used = [
      await grants.use(one, "orders"),
      await grants.use(two, "orders"),
      await grants.use(one, "crm"),
    ];
    expect(new Set(used.map(({ handle }) => handle)).size).toBe(3);
    expect(shown()).toHaveLength(3);
  });

  it("never outlives its token", async () => {
    const { grants, shown, read, clock } = fixture();
    const agent = caller("a", start + minutes(2));
    await grants.use(agent, "orders");
    expect((await read(shown()[0]?.grant)).expiresAt).toEqual(new Date(start + minutes(2)));
    clock.now = start + minutes(2);
    await expect(grants.use(agent, "orders")).rejects.toMatchObject({ code: "unauthenticated" });
    expect(shown()).toHaveLength(1);
  });

  it("is renewed under the same handle well before its end while a stream runs, for as long as the token lives", async () => {
    const { grants, shown, dropped, read, sweepUntil, clock } = fixture();
    const { handle } = await grants.use(caller("a", start + minutes(22)), "orders");
    let known = 0;
    let endsAt = start;
    for (let time = start; time < start + minutes(21); time += minutes(1)) {
      await sweepUntil(time);
      for (const one of shown().slice(known)) {
        endsAt = (await read(one.grant)).expiresAt.getTime();
        expect(one.handle).toBe(handle);
        known += 1;
      }
      expect(endsAt - clock.now).toBeGreaterThan(minutes(1) - 5_000); // no pause, and time for the connector to take it
    }
    expect(dropped()).toEqual([]);
    expect(shown().length).toBeLessThan(10);
    await sweepUntil(start + minutes(22) + 2_000);
    expect(dropped()).toEqual([handle]);
  });

  it("of which nobody makes use is not renewed, and let go at its end", async () => {
    const { grants, shown, dropped, sweepUntil } = fixture();
    const { handle, release } = await grants.use(caller("a", start + minutes(60)), "orders");
    release();
    await sweepUntil(start + minutes(16));
    expect(shown().length).toBeLessThanOrEqual(2);
    expect(dropped()).toEqual([handle]);
  });

  it("that the connector refused fails its callers once told, and the next try makes a new one", async () => {
    const { grants, shown, dropped } = fixture();
    const agent = caller("a", start + minutes(60));
    const { handle } = await grants.use(agent, "orders");
    grants.answered(handle, new ServiceError("denied", "not this agent"));
    grants.answered(handle, new ServiceError("denied", "said twice"));
    grants.answered(99, new ServiceError("denied", "nobody's"));
    expect(dropped()).toEqual([handle]);
    const again = await grants.use(agent, "orders");
    expect(again.handle).not.toBe(handle);
    expect(shown()).toHaveLength(2);
  });

  it("that was revoked is dropped at the connector, and no other", async () => {
    const { grants, dropped } = fixture();
    const one = await grants.use(caller("a", start + minutes(60)), "orders");
    await grants.use(caller("b", start + minutes(60)), "orders");
    grants.drop(({ facts }) => facts.agent === "a");
    expect(dropped()).toEqual([one.handle]);
  });

  it("is not made without bound", async () => {
    const { grants } = fixture();
    const all = Array.from({ length: 10_000 }, (_, at) =>
      grants.use(
        {
          ...caller("a", start + minutes(60)),
          facts: { ...caller("a", start + minutes(60)).facts, hash: hashOf(at) },
        },
        "orders",
      ),
    );
    await Promise.all(all);
    await expect(grants.use(caller("one too many", start + minutes(60)), "orders")).rejects.toMatchObject({
      code: "exhausted",
    });
  });
});

function hashOf(at: number): string {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(at);
  return bytes.toString("base64url");
}
