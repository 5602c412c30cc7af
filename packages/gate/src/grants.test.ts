import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ServiceError } from "@sallyport/contracts";
import { type GrantFacts, jwksFromFile, signGrant, tokenHash, tokenVerifier } from "@sallyport/grant";
import { exportJWK, SignJWT } from "jose";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { LinkGrants } from "./grants.ts";

const start = Date.parse("2026-11-24T12:00:00Z");
const minutes = (count: number) => count * 60_000;
const edgeKeys = generateKeyPairSync("ed25519");
const otherEdge = generateKeyPairSync("ed25519");
const issuerKeys = generateKeyPairSync("ed25519");
const issuer = "https://issuer.example";

const folder = mkdtempSync(join(tmpdir(), "connector-grants-"));
const jwks = join(folder, "jwks.json");
const publicJwk = { ...(await exportJWK(issuerKeys.publicKey)), kid: "k1", alg: "EdDSA" };
writeFileSync(jwks, JSON.stringify({ keys: [publicJwk] }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let now: number;
let revoked: Set<string>;
let grants: LinkGrants;
beforeEach(() => {
  now = start;
  revoked = new Set();
  grants = linkGrants();
});

function linkGrants(keysFile = jwks): LinkGrants {
  return new LinkGrants(
    { session: "s-1", edge: "e1" },
    {
      connector: "c1",
      tenant: "acme",
      edgeKeys: (edge) => ({ e1: [edgeKeys.publicKey], e2: [otherEdge.publicKey] })[edge] ?? [],
      verifyToken: tokenVerifier({
        issuer,
        audience: (server) => `https://edge.example/mcp/${server}`,
        keys: jwksFromFile(keysFile),
        now: () => new Date(now),
      }),
      isRevoked: ({ id, agent }) => (revoked.has(id) || revoked.has(agent) ? "revoked here" : undefined),
      now: () => new Date(now),
    },
  );
}

const token = (about: { agent?: string; endsAt?: number; server?: string; id?: string } = {}) =>
  new SignJWT({
    client_id: about.agent ?? "a",
    scope: `mcp:${about.server ?? "orders"}`,
    jti: about.id ?? "1",
  })
    .setProtectedHeader({ alg: "EdDSA", kid: "k1", typ: "at+jwt" })
    .setIssuer(issuer)
    .setSubject(about.agent ?? "a")
    .setAudience(`https://edge.example/mcp/${about.server ?? "orders"}`)
    .setExpirationTime(new Date(about.endsAt ?? start + minutes(60)))
    .sign(issuerKeys.privateKey);

async function grantMessage(
  handle: number,
  access: string,
  changes: Partial<GrantFacts> = {},
  key = edgeKeys.privateKey,
) {
  const facts: GrantFacts = {
    id: `g-${Math.random()}`,
    edge: "e1",
    tenant: "acme",
    agent: "a",
    server: "orders",
    scopes: ["mcp:orders"],
    tokenHash: tokenHash(access),
    tokenIssuer: issuer,
    connector: "c1",
    session: "s-1",
    issuedAt: new Date(now),
    expiresAt: new Date(now + minutes(5)),
    ...changes,
  };
  return {
    type: "grant" as const,
    handle,
    token: access,
    grant: await signGrant(facts, { key, keyId: facts.edge }),
  };
}

/** The code with which a call under this handle is refused, or "live". */
const verdict = (handle: number, server = "orders") =>
  grants.use(handle, server).then(
    () => "live",
    (error: ServiceError) => error.code,
  );

describe("a grant at the connector", () => {
  it("opens when the edge's and the issuer's signatures both say the same", async () => {
    const live = await grants.open(await grantMessage(1, await token()));
    expect(live.facts).toMatchObject({ agent: "a", server: "orders" });
    expect(await verdict(1)).toBe("live");
    expect(await verdict(1, "crm")).toBe("denied");
    expect(await verdict(2)).toBe("unauthenticated");
  });

  it("is waited for by a call that comes right behind it, refused or not", async () => {
    const good = await grantMessage(1, await token());
    const bad = await grantMessage(2, await token(), { agent: "somebody-else" });
    const opening = [grants.open(good), grants.open(bad).catch(() => undefined)];
    expect(await Promise.all([verdict(1), verdict(2)])).toEqual(["live", "denied"]);
    await Promise.all(opening);
    expect(await verdict(2)).toBe("unauthenticated");
  });

  it.each<[string, string, Partial<GrantFacts>]>([
    ["another agent than the token's", "denied", { agent: "b" }],
    ["a user that the token does not name", "denied", { user: "ada" }],
    ["more scopes than the token has", "denied", { scopes: ["mcp:orders", "admin"] }],
    ["another session", "unauthenticated", { session: "s-2" }],
    ["another connector", "unauthenticated", { connector: "c2" }],
    ["another tenant", "unauthenticated", { tenant: "other" }],
    [
      "a time that has passed",
      "unauthenticated",
      { issuedAt: new Date(start - minutes(5)), expiresAt: new Date(start) },
    ],
    [
      "a time to come",
      "unauthenticated",
      { issuedAt: new Date(start + minutes(1)), expiresAt: new Date(start + minutes(2)) },
    ],
  ])("that is for %s is refused", async (_what, code, changes) => {
    const message = await grantMessage(1, await token(), changes);
    await expect(grants.open(message)).rejects.toMatchObject({ code });
    expect(await verdict(1)).toBe("unauthenticated");
  });

  it("with a token that has expired is refused, however new the grant", async () => {
    const access = await token({ endsAt: start - minutes(1) });
    await expect(grants.open(await grantMessage(1, access))).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  it("that says what a token says which the issuer did not sign is refused", async () => {
    const [header = "", payload = "", signature = ""] = (await token()).split(".");
    const named = { ...JSON.parse(Buffer.from(payload, "base64url").toString()), client_id: "b", sub: "b" };
    const altered = Buffer.from(JSON.stringify(named)).toString("base64url");
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    for (const access of [
      `${header}.${altered}.${signature}`,
      `${header}.${altered}.`,
      `${none}.${altered}.`,
    ]) {
      const message = await grantMessage(1, access, { agent: "b" });
      await expect(grants.open(message)).rejects.toMatchObject({ code: "unauthenticated" });
    }
  });

  it("that outlives its token is refused", async () => {
    const access = await token({ endsAt: start + minutes(2) });
    await expect(grants.open(await grantMessage(1, access))).rejects.toMatchObject({ code: "denied" });
  });

  it("of one edge is refused on a session with another, though both are enrolled", async () => {
    const message = await grantMessage(1, await token(), { edge: "e2" }, otherEdge.privateKey);
    await expect(grants.open(message)).rejects.toMatchObject({ code: "unauthenticated" });
    const lent = await grantMessage(2, await token(), {}, otherEdge.privateKey);
    await expect(grants.open(lent)).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("is refused without a hint of which check failed, and the log's detail names it", async () => {
    const message = await grantMessage(1, await token(), { session: "s-2" });
    const error = (await grants.open(message).catch((thrown: unknown) => thrown)) as ServiceError;
    expect(error.message).not.toMatch(/session/);
    expect(error.detail).toMatch(/wrong-session/);
  });

  it("is unavailable, not refused, while the issuer's keys cannot be read", async () => {
    const away = linkGrants(join(folder, "nowhere.json"));
    await expect(away.open(await grantMessage(1, await token()))).rejects.toMatchObject({
      code: "unavailable",
      retryable: true,
    });
  });

  it("ends at its time: what runs under it is told at the next sweep, and a call before that", async () => {
    await grants.open(await grantMessage(1, await token()));
    const ends: string[] = [];
    grants.attach(1, (error) => ends.push(error.code));
    const done = grants.attach(1, () => ends.push("this one had ended before"));
    done?.();
    now = start + minutes(5) - 1;
    grants.sweep();
    expect([await verdict(1), ends]).toEqual(["live", []]);
    now = start + minutes(5);
    grants.sweep();
    expect(ends).toEqual(["unauthenticated"]);
    expect(await verdict(1)).toBe("unauthenticated");
  });

  it("that is renewed in time goes on without a pause, for as long as the token lives", async () => {
    const access = await token({ endsAt: start + minutes(20) });
    await grants.open(await grantMessage(1, access));
    const ends: string[] = [];
    grants.attach(1, (error) => ends.push(error.code));
    for (; now < start + minutes(19); now += 30_000) {
      if ((now - start) % minutes(3) === 0)
        await grants.open(
          await grantMessage(1, access, {
            expiresAt: new Date(Math.min(now + minutes(5), start + minutes(20))),
          }),
        );
      grants.sweep();
      expect([await verdict(1), ends]).toEqual(["live", []]);
    }
    now = start + minutes(20);
    grants.sweep();
    expect(ends).toEqual(["unauthenticated"]);
  });

  it.each([
    ["another agent", { agent: "b" }, { agent: "b" }],
    ["another server", { server: "crm" }, { server: "crm", scopes: ["mcp:crm"] }],
  ])("cannot be renewed for %s: its streams end", async (_what, tokenOf, changes) => {
    await grants.open(await grantMessage(1, await token()));
    const ends: string[] = [];
    grants.attach(1, (error) => ends.push(error.code));
    await expect(grants.open(await grantMessage(1, await token(tokenOf), changes))).rejects.toMatchObject({
      code: "denied",
    });
    expect(ends).toEqual(["denied"]);
    expect(await verdict(1)).toBe("unauthenticated");
  });

  it("that is revoked ends what runs, and cannot be opened again", async () => {
    const message = await grantMessage(1, await token(), { id: "g-known" });
    await grants.open(message);
    const ends: string[] = [];
    grants.attach(1, (error) => ends.push(error.code));
    revoked.add("g-known");
    grants.sweep();
    expect(ends).toEqual(["unauthenticated"]);
    await expect(grants.open(message)).rejects.toMatchObject({ code: "unauthenticated" });
  });

  it("that was revoked before it opens never does", async () => {
    revoked.add("a");
    await expect(grants.open(await grantMessage(1, await token()))).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  it("that has gone since a call looked it up lets nothing be attached to it: that could not be ended any more", async () => {
    await grants.open(await grantMessage(1, await token()));
    await grants.use(1, "orders");
    revoked.add("a");
    grants.sweep();
    expect(grants.attach(1, () => undefined)).toBeUndefined();
    expect(grants.endOf(1)).toMatchObject({ code: "unauthenticated" });
  });

  it("says why it has gone: what could not be recorded is no matter of the agent's token", async () => {
    await grants.open(await grantMessage(1, await token()));
    grants.drop(1, new ServiceError("unavailable", "the grant could not be recorded; try again"));
    expect(grants.endOf(1)).toMatchObject({ code: "unavailable" });
    expect(grants.endOf(2)).toMatchObject({ code: "unauthenticated" });
  });
});
