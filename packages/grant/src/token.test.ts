import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TokenError } from "./error.ts";
import { after, jws, NOW, respelled, seconds } from "./grant.fixture.ts";
import { type KeySource, parseKeySet } from "./key-source.ts";
import { serverScope, type TokenRules, tokenHash, tokenVerifier } from "./token.ts";

const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

const set = parseKeySet(
  JSON.stringify({
    keys: [
      { ...ec.publicKey.export({ format: "jwk" }), kid: "ec" },
      { ...ed.publicKey.export({ format: "jwk" }), kid: "ed" },
      { ...rsa.publicKey.export({ format: "jwk" }), kid: "rsa" },
    ],
  }),
);
const keys: KeySource = {
  async keyFor(hint) {
    const key = await set(hint);
    if (!key) throw new TokenError("unknown-key");
    return key;
  },
};

const rules: TokenRules = {
  issuer: "https://issuer.example",
  audience: (server) => `https://edge.example/mcp/${server}`,
  keys,
  now: () => NOW,
};
const verify = tokenVerifier(rules);

const header = { alg: "ES256", typ: "at+jwt", kid: "ec" };
const claims = {
  iss: "https://issuer.example",
  aud: "https://edge.example/mcp/orders",
  sub: "ada",
  client_id: "agent-7",
  scope: "openid mcp:orders",
  iat: seconds(NOW),
  exp: seconds(after(600)),
};

const es256 = (input: string, key: KeyObject = ec.privateKey) =>
  sign("sha256", Buffer.from(input), { key, dsaEncoding: "ieee-p1363" });
const signed = (changes: object = {}, head: object = header) => jws(head, { ...claims, ...changes }, es256);

describe("an access token in order", () => {
  test("says who acts, for whom, and how far", async () => {
    const token = signed();
    expect(await verify(token, "orders")).toEqual({
      issuer: "https://issuer.example",
      subject: "ada",
      agent: "agent-7",
      user: "ada",
      scopes: ["openid", "mcp:orders"],
      expiresAt: after(600),
      hash: tokenHash(token),
    });
  });

  test.each<[string, object, object]>([
    ["a client by itself", { sub: "agent-7" }, { agent: "agent-7", user: undefined }],
    ["a client named by azp", { client_id: undefined, azp: "agent-8" }, { agent: "agent-8", user: "ada" }],
    ["no client but the subject", { client_id: undefined }, { agent: "ada", user: undefined }],
    ["scopes as a list in scp", { scope: undefined, scp: ["mcp:orders"] }, { scopes: ["mcp:orders"] }],
    ["scopes as a text in scp", { scope: undefined, scp: "a mcp:orders" }, { scopes: ["a", "mcp:orders"] }],
    ["several audiences, one of them ours", { aud: ["x", claims.aud] }, { agent: "agent-7" }],
    ["an end a moment ago, within the skew", { exp: seconds(after(-4)) }, { agent: "agent-7" }],
    ["a beginning within the skew", { nbf: seconds(after(5)), iat: seconds(after(5)) }, { agent: "agent-7" }],
  ])("may have %s", async (_, changes, expected) => {
    expect(await verify(signed(changes), "orders")).toMatchObject(
      Object.fromEntries(Object.entries(expected).filter(([, value]) => value !== undefined)),
    );
    if ("user" in expected) expect((await verify(signed(changes), "orders")).user).toBe(expected.user);
  });

  test.each([undefined, "JWT", "jwt", "at+JWT", "application/at+jwt"])(
    "may have the type %s",
    async (typ) => {
      expect(await verify(signed({}, { ...header, typ }), "orders")).toMatchObject({ agent: "agent-7" });
    },
  );

  test("may be signed with any allowed algorithm, and need not name its key when only one fits", async () => {
    const pss = { key: rsa.privateKey, padding: 6, saltLength: 32 };
    const tokens = [
      jws({ alg: "EdDSA", kid: "ed" }, claims, ed.privateKey),
      jws({ alg: "RS256", kid: "rsa" }, claims, (input) =>
        sign("sha256", Buffer.from(input), rsa.privateKey),
      ),
      jws({ alg: "PS256", kid: "rsa" }, claims, (input) => sign("sha256", Buffer.from(input), pss)),
      signed({}, { alg: "ES256" }),
    ];
    for (const token of tokens) expect(await verify(token, "orders")).toMatchObject({ agent: "agent-7" });
  });

  test("may be for one audience for all servers", async () => {
    const one = tokenVerifier({ ...rules, audience: claims.aud });
    expect(await one(signed({ scope: "mcp:payroll" }), "payroll")).toMatchObject({ agent: "agent-7" });
  });
});

describe("refused is an access token", () => {
  const otherKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const good = signed();
  const pem = (key: KeyObject) => key.export({ format: "pem", type: "spki" });
  const mac = (secret: string | Buffer) => (input: string) =>
    createHmac("sha256", secret).update(input).digest();

  test.each<[string, string, string]>([
    ["of another issuer", "wrong-issuer", signed({ iss: "https://issuer.example/" })],
    ["for another server", "wrong-audience", signed({ aud: "https://edge.example/mcp/payroll" })],
    ["for the edge as a whole", "wrong-audience", signed({ aud: "https://edge.example" })],
    ["for a resource spelled differently", "wrong-audience", signed({ aud: `${claims.aud}/` })],
    ["for a list without us", "wrong-audience", signed({ aud: ["x", "y"] })],
    ["that has expired", "expired", signed({ exp: seconds(after(-5)) })],
    ["that begins later", "not-yet-valid", signed({ nbf: seconds(after(6)) })],
    ["that was issued in the future", "not-yet-valid", signed({ iat: seconds(after(6)) })],
    ["without the server's scope", "missing-scope", signed({ scope: "openid mcp:orders2 xmcp:orders" })],
    ["without any scope", "missing-scope", signed({ scope: undefined })],
    ["bound to a key of its client", "key-bound", signed({ cnf: { jkt: "x" } })],
    ["signed with another key", "bad-signature", jws(header, claims, (input) => es256(input, otherKey))],
    ["with an empty signature", "bad-signature", jws(header, claims, () => Buffer.alloc(0))],
    ["with a key that is not published", "unknown-key", signed({}, { ...header, kid: "old" })],
    ["with an algorithm that its key is not for", "unknown-key", signed({}, { ...header, alg: "RS256" })],
    ["with no signature", "bad-algorithm", jws({ ...header, alg: "none" }, claims, () => Buffer.alloc(0))],
    ["with No Signature", "bad-algorithm", jws({ ...header, alg: "nOnE" }, claims, () => Buffer.alloc(0))],
    [
      "with a MAC made of the public key",
      "bad-algorithm",
      jws({ alg: "HS256", kid: "rsa" }, claims, mac(pem(rsa.publicKey))),
    ],
    [
      "with a MAC called a signature",
      "bad-signature",
      jws({ alg: "RS256", kid: "rsa" }, claims, mac(pem(rsa.publicKey))),
    ],
    ["with an algorithm that is not listed", "bad-algorithm", signed({}, { ...header, alg: "ES512" })],
    ["with an extension that must be understood", "malformed", signed({}, { ...header, crit: ["x"], x: 1 })],
    ["that is a grant", "malformed", signed({}, { ...header, typ: "txntoken+jwt" })],
    ["that is a DPoP proof", "malformed", signed({}, { ...header, typ: "dpop+jwt" })],
    ["that never ends", "malformed", signed({ exp: undefined })],
    ["that ends at a text", "malformed", signed({ exp: "9999999999" })],
    ["that ends beyond all dates", "malformed", signed({ exp: 1e300 })],
    ["without subject", "malformed", signed({ sub: undefined })],
    ["without audience", "malformed", signed({ aud: undefined })],
    ["with an empty list of audiences", "malformed", signed({ aud: [] })],
    [
      "with audiences without end",
      "malformed",
      signed({ aud: Array.from({ length: 33 }, () => claims.aud) }),
    ],
    [
      "with a claim told twice",
      "malformed",
      jws(header, `{"aud":"x",${JSON.stringify(claims).slice(1)}`, es256),
    ],
    ["with a header told twice", "malformed", jws('{"alg":"none","alg":"ES256","kid":"ec"}', claims, es256)],
    ["over 16 KiB", "malformed", signed({ padding: "x".repeat(16 * 1024) })],
    ["with its signature spelled another way", "malformed", respelled(good)],
    ["that is opaque", "malformed", "2YotnFZFEjr1zCsicMWpAA"],
    ["that is encrypted (five parts)", "malformed", `${good}.x.y`],
    ["that is empty", "malformed", ""],
  ])("%s: %s", async (_, code, token) => {
    await expect(verify(token, "orders")).rejects.toMatchObject({ name: "TokenError", code });
  });

  test("changed anywhere, and the error does not repeat it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.string({ minLength: 1, maxLength: 3 }),
        async (at, junk) => {
          const changed = good.slice(0, at) + junk + good.slice(at + junk.length);
          fc.pre(changed !== good);
          const fault: unknown = await verify(changed, "orders").then(
            () => undefined,
            (error: unknown) => error,
          );
          expect(fault).toBeInstanceOf(TokenError);
          expect(String(fault)).not.toContain(changed.slice(-20));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("whose keys cannot be had, with a code that says so", async () => {
    const away: KeySource = { keyFor: () => Promise.reject(new TokenError("keys-unavailable")) };
    const verifier = tokenVerifier({ ...rules, keys: away });
    await expect(verifier(good, "orders")).rejects.toMatchObject({ code: "keys-unavailable" });
  });
});

describe("the hash of a token", () => {
  test("stays the same when its holder computes the second signature that ECDSA allows", async () => {
    const token = signed();
    const signature = Buffer.from(token.split(".")[2] ?? "", "base64url");
    const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const s = BigInt(`0x${signature.toString("hex", 32)}`);
    const second = Buffer.from(
      signature.toString("hex", 0, 32) + (n - s).toString(16).padStart(64, "0"),
      "hex",
    );
    const twin = [...token.split(".").slice(0, 2), second.toString("base64url")].join(".");
    expect(twin).not.toBe(token);
    expect((await verify(twin, "orders")).hash).toBe((await verify(token, "orders")).hash);
  });

  test("differs between tokens", () => {
    expect(tokenHash(signed())).not.toBe(tokenHash(signed({ jti: "2" })));
    expect(tokenHash("no dot")).toMatch(/^[\w-]{43}$/);
  });
});

describe("a verifier is not made", () => {
  test.each<[string, Partial<TokenRules>]>([
    ["with algorithms that take a public key as a secret", { allowedAlgorithms: ["ES256", "HS256"] }],
    ["with the algorithm none", { allowedAlgorithms: ["none"] }],
    ["with no algorithm", { allowedAlgorithms: [] }],
    ["with a large skew", { skewSeconds: 61 }],
    ["with a skew that is none", { skewSeconds: Number.NaN }],
  ])("%s", (_, changes) => {
    expect(() => tokenVerifier({ ...rules, ...changes })).toThrow(TypeError);
  });
});

test("the scope of a server", () => {
  expect(serverScope("orders")).toBe("mcp:orders");
});
