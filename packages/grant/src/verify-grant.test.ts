import { createHmac, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { after, edgeKeys, facts, jws, NOW, respelled, seconds } from "./grant.fixture.ts";
import { claimsOf, type GrantFacts, grantEnd } from "./grant.ts";
import { signGrant } from "./sign-grant.ts";
import { type GrantExpectations, verifyGrant } from "./verify-grant.ts";

const signer = { key: edgeKeys.privateKey, keyId: "k1" };
const header = { alg: "EdDSA", typ: "txntoken+jwt", kid: "k1" };
const claims = claimsOf(facts);

function verify(jwt: string, changes: Partial<GrantExpectations> = {}): Promise<GrantFacts> {
  return verifyGrant(jwt, {
    edgeKey: (edge, keyId) => (edge === "e1" && keyId === "k1" ? edgeKeys.publicKey : undefined),
    tenant: "acme",
    connector: "acme.c1",
    session: facts.session,
    server: "orders",
    now: NOW,
    ...changes,
  });
}

/** Signed by the enrolled edge, so only the content can be what is refused. */
const signed = (changes: object, head: unknown = header) =>
  jws(head, { ...claims, ...changes }, edgeKeys.privateKey);
const inContext = (changes: object) => signed({ tctx: { ...claims.tctx, ...changes } });

describe("a grant", () => {
  test("says after its journey what the edge decided", async () => {
    expect(await verify(await signGrant(facts, signer))).toEqual(facts);
    const { user: _, ...alone } = { ...facts, scopes: [] };
    expect(await verify(await signGrant(alone, signer))).toEqual(alone);
  });

  test("has the shape of a transaction token", async () => {
    const jwt = await signGrant(facts, signer);
    const [head = "", body = ""] = jwt.split(".").map((text) => Buffer.from(text, "base64url").toString());
    expect(JSON.parse(head)).toEqual(header);
    expect(JSON.parse(body)).toMatchObject({
      iss: "edge:e1",
      aud: "sallyport:acme",
      sub: "agent-7",
      jti: "g-1",
    });
  });

  test("may be read without session and server by who is not at their end", async () => {
    const jwt = await signGrant(facts, signer);
    const { user: _, ...rest } = facts;
    const got = await verifyGrant(jwt, {
      edgeKey: () => edgeKeys.publicKey,
      tenant: "acme",
      connector: "acme.c1",
      now: NOW,
    });
    expect(got).toMatchObject(rest);
  });

  test("is good with either key while its edge changes them, and with no third", async () => {
    const next = generateKeyPairSync("ed25519");
    const both = { edgeKey: () => [next.publicKey, edgeKeys.publicKey] };
    for (const key of [next.privateKey, edgeKeys.privateKey])
      expect(await verify(await signGrant(facts, { key, keyId: "k1" }), both)).toEqual(facts);
    const { privateKey: key } = generateKeyPairSync("ed25519");
    const third = await signGrant(facts, { key, keyId: "k1" });
    await expect(verify(third, both)).rejects.toMatchObject({ code: "bad-signature" });
    await expect(verify(third, { edgeKey: () => [] })).rejects.toMatchObject({ code: "unknown-edge" });
    const mixed = { edgeKey: () => [edgeKeys.publicKey, edgeKeys.privateKey] };
    await expect(verify(await signGrant(facts, signer), mixed)).rejects.toMatchObject({
      code: "unknown-edge",
    });
  });

  test("ends with the token, or after five minutes", () => {
    expect(grantEnd(NOW, after(3600))).toEqual(after(300));
    expect(grantEnd(NOW, after(20))).toEqual(after(20));
  });

  test("carries any agent and user name without control characters", async () => {
    const name = fc
      .string({ minLength: 1, maxLength: 100, unit: "grapheme" })
      .filter((text) => !/\p{Cc}/u.test(text));
    await fc.assert(
      fc.asyncProperty(name, name, async (agent, user) => {
        const other = { ...facts, agent, user };
        expect(await verify(await signGrant(other, signer))).toEqual(other);
      }),
      { numRuns: 50 },
    );
  });
});

describe("signing refuses", () => {
  test.each<[string, string, Partial<GrantFacts>]>([
    ["a life over five minutes", "too-long", { expiresAt: after(301) }],
    ["an end before the beginning", "expired", { expiresAt: NOW }],
    ["a scope that reads as two", "malformed", { scopes: ["mcp:orders admin"] }],
    ["an empty scope", "malformed", { scopes: [""] }],
    ["a scope with a quote", "malformed", { scopes: ['"'] }],
    ["scopes without end", "malformed", { scopes: Array.from({ length: 1000 }, () => "mcp:orders") }],
    ["an empty agent", "malformed", { agent: "" }],
    ["an agent with a line break", "malformed", { agent: "a\nb" }],
    ["a server name with a space", "malformed", { server: "a b" }],
    ["a hash that is none", "malformed", { tokenHash: "abc" }],
    ["a time that is none", "malformed", { issuedAt: new Date(Number.NaN) }],
  ])("%s: %s", async (_, code, changes) => {
    await expect(signGrant({ ...facts, ...changes }, signer)).rejects.toMatchObject({
      name: "GrantError",
      code,
    });
  });

  test("a grant too large to be verified", async () => {
    const keyId = "k".repeat(8000);
    await expect(signGrant(facts, { ...signer, keyId })).rejects.toMatchObject({ code: "malformed" });
  });
});

describe("verifying refuses", () => {
  const good = signed({});

  test("nothing that is in order, so the refusals below have one cause each", async () => {
    expect(await verify(good)).toEqual(facts);
    expect(await verify(signed({ iat: seconds(after(5)), exp: seconds(after(300)) }))).toMatchObject({
      id: "g-1",
    });
    expect(await verify(good, { now: after(299) })).toEqual(facts);
  });

  test.each<[string, string, Partial<GrantExpectations>]>([
    ["another tenant", "wrong-tenant", { tenant: "other" }],
    ["another connector", "wrong-connector", { connector: "acme.c2" }],
    ["another session", "wrong-session", { session: "t".repeat(22) }],
    ["another server", "wrong-server", { server: "payroll" }],
    ["a grant that has ended", "expired", { now: after(300) }],
    ["a grant from more than five seconds ahead", "not-yet-valid", { now: after(-6) }],
    ["an edge that is not enrolled", "unknown-edge", { edgeKey: () => undefined }],
    ["a private key in place of a public one", "unknown-edge", { edgeKey: () => edgeKeys.privateKey }],
    [
      "a key of another kind",
      "unknown-edge",
      { edgeKey: () => generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey },
    ],
    ["another edge's key", "bad-signature", { edgeKey: () => generateKeyPairSync("ed25519").publicKey }],
  ])("%s: %s", async (_, code, changes) => {
    await expect(verify(good, changes)).rejects.toMatchObject({ name: "GrantError", code });
  });

  test.each<[string, string, string]>([
    ["an edge that speaks for another", "unknown-edge", signed({ iss: "edge:e2" })],
    ["a key id that this edge does not have", "unknown-edge", signed({}, { ...header, kid: "k2" })],
    ["a life over five minutes, whoever signed it", "too-long", signed({ exp: claims.exp + 1 })],
    ["an audience that is not the tenant's", "malformed", signed({ aud: "sallyport:other" })],
    ["a transaction id that is not the grant's", "malformed", signed({ txn: "g-2" })],
    ["an audience that is a list", "malformed", signed({ aud: ["sallyport:acme"] })],
    ["an issuer that is no edge", "malformed", signed({ iss: "connector:e1" })],
    ["a claim that is not known", "malformed", signed({ admin: true })],
    ["a fact that is not known", "malformed", inContext({ admin: true })],
    ["a claim too few", "malformed", signed({ sub: undefined })],
    ["a scope with two spaces", "malformed", signed({ scope: "a  b" })],
    ["a scope that ends in a space", "malformed", signed({ scope: "a " })],
    ["a broken second", "malformed", signed({ exp: claims.exp - 0.5 })],
    ["a negative time", "malformed", signed({ iat: -1 })],
    ["a control character in the user", "malformed", inContext({ user: "ada\u0000" })],
    ["another type of token", "malformed", signed({}, { ...header, typ: "at+jwt" })],
    ["no type", "malformed", signed({}, { alg: "EdDSA", kid: "k1" })],
    [
      "an extension that must be understood",
      "malformed",
      signed({}, { ...header, crit: ["b64"], b64: false }),
    ],
    [
      "a key that it brings itself",
      "malformed",
      signed({}, { ...header, jwk: edgeKeys.publicKey.export({ format: "jwk" }) }),
    ],
    ["no signature", "malformed", jws({ ...header, alg: "none" }, claims, () => Buffer.alloc(0))],
    ["an empty signature", "bad-signature", jws(header, claims, () => Buffer.alloc(0))],
    ["a MAC made with the public key", "malformed", hmacWithPublicKey()],
    ["a claim told twice", "malformed", jws(header, twice("sub"), edgeKeys.privateKey)],
    [
      "a name told twice with another spelling",
      "malformed",
      jws(header, twice("su\\u0062"), edgeKeys.privateKey),
    ],
    [
      "a header told twice",
      "malformed",
      jws('{"alg":"none","alg":"EdDSA","typ":"txntoken+jwt","kid":"k1"}', claims, edgeKeys.privateKey),
    ],
    ["text that is not UTF-8", "malformed", jws(header, latin1(), edgeKeys.privateKey)],
    ["more than 8 KiB", "malformed", `${good}${"A".repeat(8192)}`],
    ["a signature spelled another way", "malformed", respelled(good)],
    ["two parts", "malformed", good.split(".").slice(0, 2).join(".")],
    ["nothing", "malformed", ""],
  ])("%s: %s", async (_, code, jwt) => {
    await expect(verify(jwt)).rejects.toMatchObject({ name: "GrantError", code });
  });

  test("any other text", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.string({ minLength: 1, maxLength: 3 }),
        async (at, junk) => {
          const changed = good.slice(0, at) + junk + good.slice(at + junk.length);
          fc.pre(changed !== good);
          await expect(verify(changed)).rejects.toMatchObject({ name: "GrantError" });
        },
      ),
      { numRuns: 300 },
    );
  });

  function hmacWithPublicKey(): string {
    const secret = edgeKeys.publicKey.export({ format: "pem", type: "spki" });
    return jws({ ...header, alg: "HS256" }, claims, (input) =>
      createHmac("sha256", secret).update(input).digest(),
    );
  }

  function latin1(): Buffer {
    return Buffer.from(JSON.stringify({ ...claims, sub: "agent-\u00ff" }), "latin1");
  }

  function twice(name: string): string {
    return JSON.stringify(claims).replace(/^\{/, `{"${name}":"root",`);
  }
});
