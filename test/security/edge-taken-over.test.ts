import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Bus, request } from "@sallyport/bus";
import { leaseBinding, leaseCredential, releaseLeases } from "@sallyport/contracts";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { GrantFacts } from "@sallyport/grant";
import type { Stack } from "@sallyport/infra-local";
import { openBox, readPrivateKeyText } from "@sallyport/seal";
import { leakCheck, until } from "@sallyport/testkit";
import { SignJWT } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startTunnel } from "../e2e/tunnel.fixture.ts";
import { joinAs, type Outcome, TakenEdge, type TakenSession } from "./taken-zone.fixture.ts";

// The edge faces the world, so it is the zone that falls first. Whoever has it holds its signing key, its NATS user and
// every enrolment. They can use the tokens of agents that call while they are there, and nothing beyond.
afterAll(leakCheck);
let stack: Stack;
let orders: Reflector;
let billing: Reflector;
let edge: TakenEdge;
let session: TakenSession;
/** Of an agent that works with the attacker, and one that does not; the latter's is only used to show what works. */
let own: { orders: string; billing: string };
let others: string;
let handles = 0;

beforeAll(async () => {
  [orders, billing] = [
    await startReflector({ token: "orders-key-1" }),
    await startReflector({ token: "billing-key-1" }),
  ];
  stack = await startTunnel({
    routes: {
      orders: { url: orders.url, secret: "orders-key-1" },
      billing: { url: billing.url, secret: "billing-key-1" },
    },
    more: { connectors: ["connector-1", "connector-2"] },
  });
  own = { orders: await stack.token("orders"), billing: await stack.token("billing") };
  others = await stack.token("orders", { client: "other-agent" });
  await stack.zones.get("edge-edge-1")?.kill();
  edge = await TakenEdge.of(stack);
});
beforeEach(async () => {
  if (session === undefined || session.link.error) session = await edge.open("connector-1");
});
afterAll(async () => {
  await edge?.close();
  await stack?.stop();
  for (const one of [orders, billing]) await one?.close();
});

const packets = () => orders.seen().requests + billing.seen().requests;

/** Shows a grant, calls under it, and says how that was refused. No packet may have reached any upstream. */
async function refusal(
  shown: { grant: string; token?: string },
  { on = session, server = "orders" }: { on?: TakenSession; server?: string } = {},
): Promise<string> {
  const before = packets();
  handles += 1;
  on.show(handles, shown);
  const outcome = await on.call(handles, server);
  expect(packets()).toBe(before);
  return codeOf(outcome);
}

function codeOf(outcome: Outcome): string {
  return "error" in outcome ? outcome.error.code : `it was let in: ${outcome.status} ${outcome.body}`;
}

const at = (more: object = {}) => ({ session: session.id, ...more });

describe("an edge that was taken over", () => {
  it("can use a token that it holds: the refusals below are not for nothing", async () => {
    handles += 1;
    session.show(handles, { grant: await edge.grant(own.orders, at()), token: own.orders });
    expect(await session.call(handles, "orders")).toMatchObject({
      status: 200,
      body: expect.stringContaining("let in"),
    });
  });

  it.each<[string, Partial<GrantFacts>]>([
    ["another agent", { agent: "other-agent" }],
    ["the same agent for a user who asked for nothing", { user: "ada" }],
    ["scopes that the token does not have", { scopes: ["mcp:orders", "mcp:billing"] }],
    ["another issuer", { tokenIssuer: "https://issuer.example" }],
    ["another token than the one it shows", { tokenHash: "A".repeat(43) }],
  ])("is denied a grant for %s, shown with its own token", async (_what, changes) => {
    const grant = await edge.grant(own.orders, at(), changes);
    expect(await refusal({ grant, token: own.orders })).toBe("denied");
  });

  it("cannot name an agent by the hash of a token that it has only heard of", async () => {
    const grant = await edge.grant(others, at());
    expect(await refusal({ grant, token: own.orders })).toBe("denied");
    expect(await refusal({ grant, token: "" })).toBe("unauthenticated");
    expect(await refusal({ grant, token: "x.y.z" })).toBe("unauthenticated");
  });

  it("cannot leave the token out", async () => {
    const grant = await edge.grant(others, at());
    expect(await refusal({ grant })).toBe("unavailable"); // it is cut for it
  });

  it("cannot alter a token, nor issue one itself", async () => {
    const [header = "", payload = "", signature = ""] = own.orders.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    const altered = Buffer.from(JSON.stringify({ ...claims, client_id: "other-agent", sub: "other-agent" }));
    const forged = `${header}.${altered.toString("base64url")}.${signature}`;
    expect(await refusal({ grant: await edge.grant(forged, at()), token: forged })).toBe("unauthenticated");
    const { alg, kid } = JSON.parse(Buffer.from(header, "base64url").toString()) as {
      alg: string;
      kid: string;
    };
    const key = alg.startsWith("ES")
      ? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
      : alg === "EdDSA"
        ? generateKeyPairSync("ed25519").privateKey
        : generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    const issued = await new SignJWT(claims).setProtectedHeader({ alg, kid, typ: "at+jwt" }).sign(key);
    expect(await refusal({ grant: await edge.grant(issued, at()), token: issued })).toBe("unauthenticated");
    const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`;
    expect(await refusal({ grant: await edge.grant(unsigned, at()), token: unsigned })).toBe(
      "unauthenticated",
    );
  });

  it("cannot use a token for one server at another", async () => {
    const grant = await edge.grant(own.billing, at({ server: "orders" }));
    expect(await refusal({ grant, token: own.billing })).toBe("unauthenticated");
  });

  it("cannot call another server under a grant that holds", async () => {
    handles += 1;
    session.show(handles, { grant: await edge.grant(own.orders, at()), token: own.orders });
    expect(await session.call(handles, "orders")).toMatchObject({ status: 200 });
    const before = packets();
    expect(codeOf(await session.call(handles, "billing"))).toBe("denied");
    expect(packets()).toBe(before);
  });

  it("cannot call under a handle that stands for nothing", async () => {
    const before = packets();
    expect(codeOf(await session.call(999_999, "orders"))).toBe("unauthenticated");
    expect(packets()).toBe(before);
  });

  it("cannot renew a grant into one for somebody else", async () => {
    handles += 1;
    session.show(handles, { grant: await edge.grant(own.orders, at()), token: own.orders });
    expect(await session.call(handles, "orders")).toMatchObject({ status: 200 });
    session.show(handles, { grant: await edge.grant(others, at()), token: others });
    await until("the refusal", () => session.refused.get(handles) === "denied", { within: 5_000 });
    expect(codeOf(await session.call(handles, "orders"))).toBe("unauthenticated");
  });

  it("cannot show a grant on a session, at a connector or in a tenant that it was not made for", async () => {
    const second = await edge.open("connector-1");
    const elsewhere = await edge.open("connector-2");
    const mine = await edge.grant(own.orders, at());
    expect(await refusal({ grant: mine, token: own.orders }, { on: second })).toBe("unauthenticated");
    expect(await refusal({ grant: mine, token: own.orders }, { on: elsewhere })).toBe("unauthenticated");
    const there = await edge.grant(own.orders, { session: session.id, connector: "connector-2" });
    expect(await refusal({ grant: there, token: own.orders })).toBe("unauthenticated");
    for (const changes of [{ tenant: "other" }, { edge: "edge-2" }]) {
      const grant = await edge.grant(own.orders, at(), changes);
      expect(await refusal({ grant, token: own.orders })).toBe("unauthenticated");
    }
  });

  it("cannot show a grant that another key signed, or that lives too long", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const foreign = await edge.grant(own.orders, at(), {}, privateKey);
    expect(await refusal({ grant: foreign, token: own.orders })).toBe("unauthenticated");
    const good = await edge.grant(own.orders, at());
    const claims = JSON.parse(Buffer.from(good.split(".")[1] ?? "", "base64url").toString()) as {
      iat: number;
    };
    const long = await new SignJWT({ ...claims, exp: claims.iat + 301 })
      .setProtectedHeader({ alg: "EdDSA", typ: "txntoken+jwt", kid: "edge-1" })
      .sign(edge.key);
    expect(await refusal({ grant: long, token: own.orders })).toBe("unauthenticated");
  });

  it("cannot call after a grant's end, and what runs under it ends then", async () => {
    handles += 1;
    const expiresAt = new Date(Date.now() + 3_000);
    const grant = await edge.grant(own.orders, at(), { expiresAt });
    session.show(handles, { grant, token: own.orders });
    const stream = session.call(handles, "orders", {
      name: "stream",
      arguments: { events: 1000, intervalMs: 20 },
    });
    expect(codeOf(await stream)).toBe("unauthenticated");
    expect(Date.now()).toBeGreaterThan(expiresAt.getTime() - 1_000);
    expect(Date.now()).toBeLessThan(expiresAt.getTime() + 2_000);
    await until("the upstream being let go", () => orders.seen().open === 0, { within: 2_000 });
    const before = packets();
    expect(codeOf(await session.call(handles, "orders"))).toBe("unauthenticated");
    expect(packets()).toBe(before);
    expect(await refusal({ grant, token: own.orders })).toBe("unauthenticated");
  });

  it("cannot ask the broker for a credential: NATS does not let it", async () => {
    const grant = await edge.grant(own.orders, at());
    const input = { grant, credential: "orders", sealSession: session.id, session: "s-1" };
    await expect(
      request(edge.bus, leaseCredential, { params: { connector: "connector-1" }, input, timeoutMs: 500 }),
    ).rejects.toMatchObject({ name: "ServiceError" });
    expect(edge.refusals.join()).toMatch(/broker\.v1\.connector-1\.lease/);
  });
});

describe("a connector that was taken over", () => {
  let connector: Bus;
  let refusals: string[];
  beforeAll(async () => {
    ({ bus: connector, refusals } = await joinAs(stack, { zone: "connector", instance: "connector-1" }));
  });
  afterAll(() => connector?.close());

  /** What the broker answers to this connector's NATS user. */
  const lease = (ask: {
    grant: string;
    sealSession?: string;
    credential?: string;
    connector?: string;
    session?: string;
  }) =>
    request(connector, leaseCredential, {
      params: { connector: ask.connector ?? "connector-1" },
      input: {
        grant: ask.grant,
        credential: ask.credential ?? "orders",
        sealSession: ask.sealSession ?? session.id,
        session: ask.session ?? "s-1",
      },
      timeoutMs: 2_000,
    });

  it("can lease for a grant that holds, and only its own key opens what comes", async () => {
    const { leaseId, sealed } = await lease({ grant: await edge.grant(own.orders, at()) });
    const binding = { leaseId, connector: "connector-1", sealSession: session.id, session: "s-1" };
    const info = leaseBinding({ ...binding, server: "orders", credential: "orders" });
    const box = Buffer.from(sealed, "base64url");
    const key = (name: string) =>
      readPrivateKeyText(readFileSync(stack.material.path(`connectors/${name}.key`), "utf8"));
    expect(Buffer.from(await openBox(key("connector-1"), box, info)).toString()).toContain("orders-key-1");
    await expect(openBox(key("connector-2"), box, info)).rejects.toThrow();
    const other = leaseBinding({ ...binding, server: "billing", credential: "orders" });
    await expect(openBox(key("connector-1"), box, other)).rejects.toThrow();
  });

  it("cannot lease without a grant, or with one that it made up", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const forged = await edge.grant(own.orders, at(), {}, privateKey);
    for (const grant of ["", "x", "a.b.c", forged])
      await expect(lease({ grant })).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("cannot lease for a grant that was made for another connector, session or tenant", async () => {
    const elsewhere = await edge.grant(own.orders, { session: session.id, connector: "connector-2" });
    await expect(lease({ grant: elsewhere })).rejects.toMatchObject({ code: "unauthenticated" });
    const grant = await edge.grant(own.orders, at());
    await expect(lease({ grant, sealSession: "another-session" })).rejects.toMatchObject({
      code: "unauthenticated",
    });
    const foreign = await edge.grant(own.orders, at(), { tenant: "other" });
    await expect(lease({ grant: foreign })).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("cannot lease after the grant's end", async () => {
    const grant = await edge.grant(own.orders, at(), { expiresAt: new Date(Date.now() + 2_000) });
    // A session of its own: the leases of one session are counted, and this asks for many.
    const session = "s-2";
    await lease({ grant, session });
    await until(
      "the broker refusing it",
      () =>
        lease({ grant, session }).then(
          () => false,
          (error: { code: string }) => error.code === "unauthenticated",
        ),
      { within: 5_000, every: 100 },
    );
  });

  it("cannot lease a credential of another server", async () => {
    const grant = await edge.grant(own.orders, at());
    await expect(lease({ grant, credential: "billing" })).rejects.toMatchObject({ code: "denied" });
    await expect(lease({ grant, credential: "no-such" })).rejects.toMatchObject({ name: "ServiceError" });
  });

  it("cannot speak to the broker in another connector's name: NATS does not let it", async () => {
    const grant = await edge.grant(own.orders, { session: session.id, connector: "connector-2" });
    await expect(lease({ grant, connector: "connector-2" })).rejects.toMatchObject({ name: "ServiceError" });
    const release = { params: { connector: "connector-2" }, input: { session: "s-1" }, timeoutMs: 500 };
    await expect(request(connector, releaseLeases, release)).rejects.toMatchObject({ name: "ServiceError" });
    expect(refusals.join()).toMatch(/broker\.v1\.connector-2\.lease/);
    expect(refusals.join()).toMatch(/broker\.v1\.connector-2\.release/);
  });
});
