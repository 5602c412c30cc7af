import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ask, closeAll, type Front, startFront, startIssuer, type TestIssuer } from "./front.fixture.ts";

let issuer: TestIssuer;
let front: Front;
beforeEach(async () => {
  issuer = await startIssuer();
  front = await startFront(issuer);
});
afterEach(closeAll);

const metadata = `resource_metadata="https://edge.test/.well-known/oauth-protected-resource/mcp/orders", scope="mcp:orders"`;
const invalid = (description: string) =>
  `Bearer error="invalid_token", error_description="${description}", ${metadata}`;
const now = () => Math.floor(Date.now() / 1000);

describe("protected resource metadata (RFC 9728)", () => {
  it("says where tokens for this server come from, to anybody and any origin", async () => {
    const path = "/.well-known/oauth-protected-resource/mcp/orders";
    const { status, json, headers } = await ask(front.port, { method: "GET", path });
    expect(status).toBe(200);
    expect(json).toEqual({
      resource: "https://edge.test/mcp/orders",
      authorization_servers: [issuer.url],
      scopes_supported: ["mcp:orders"],
      bearer_methods_supported: ["header"],
      resource_name: "orders (through Sallyport)",
    });
    expect(headers.get("access-control-allow-origin")).toBe("*");
  });

  it("is the same for a server that does not exist: it tells nobody what there is", async () => {
    const path = "/.well-known/oauth-protected-resource/mcp/nothing";
    const { status, json } = await ask(front.port, { method: "GET", path });
    expect([status, json.resource]).toEqual([200, "https://edge.test/mcp/nothing"]);
  });

  it("holds no name that could not be a server's", async () => {
    const path = "/.well-known/oauth-protected-resource/mcp/a%22b%0d%0aX";
    const { status, body } = await ask(front.port, { method: "GET", path });
    expect(status).toBe(404);
    expect(body).not.toContain("X");
  });
});

describe("a call", () => {
  it("with a good token passes", async () => {
    const { status, json } = await ask(front.port, { token: await issuer.token() });
    expect([status, front.passed()]).toEqual([200, 1]);
    expect(json).toMatchObject({ id: 1, error: { code: -31503, data: { sallyport: { source: "edge" } } } });
  });

  it("without a token is told where to get one", async () => {
    const { status, headers } = await ask(front.port, {});
    expect([status, headers.get("www-authenticate")]).toEqual([401, `Bearer ${metadata}`]);
  });

  it("whose scope does not cover the server is told which one would", async () => {
    const { status, headers } = await ask(front.port, {
      token: await issuer.token({ scope: "mcp:tickets" }),
    });
    const described = "the token's scope does not cover this server";
    expect([status, headers.get("www-authenticate")]).toEqual([
      403,
      `Bearer error="insufficient_scope", error_description="${described}", ${metadata}`,
    ]);
  });

  it.each([
    ["of another audience", { aud: "https://edge.test/mcp/tickets" }, "the token is not for this server"],
    ["for the edge as a whole", { aud: "https://edge.test" }, "the token is not for this server"],
    ["of another issuer", { iss: "https://other.example" }, "the token is from another issuer"],
    ["that has expired", { exp: now() - 60 }, "the token has expired"],
    ["that begins later", { nbf: now() + 600 }, "the token cannot be verified"],
    ["without an end", { exp: undefined as unknown as number }, "the token cannot be verified"],
    ["without an audience", { aud: undefined as unknown as string }, "the token cannot be verified"],
    ["bound to a key of its client", { cnf: { jkt: "x" } }, "the token cannot be verified"],
  ])("with a token %s is refused, and says no more than that", async (_which, claims, description) => {
    const { status, headers, body } = await ask(front.port, { token: await issuer.token(claims) });
    expect([status, headers.get("www-authenticate")]).toEqual([401, invalid(description)]);
    expect(JSON.parse(body)).toEqual({ status: 401, title: description });
    expect(front.passed()).toBe(0);
  });

  it("with a token signed by somebody else is refused", async () => {
    const token = await issuer.token({}, { foreign: true });
    expect((await ask(front.port, { token })).headers.get("www-authenticate")).toBe(
      invalid("the token cannot be verified"),
    );
  });

  it("with a token of which one claim was changed, or that has no signature, is refused", async () => {
    const [head = "", payload = "", signature = ""] = (await issuer.token()).split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as object;
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const tokens = [
      [head, encode({ ...claims, sub: "root" }), signature],
      [encode({ alg: "none", typ: "at+jwt" }), payload, ""],
      [encode({ alg: "HS256", typ: "at+jwt" }), payload, signature],
      [encode({ alg: "ES256", typ: "logout+jwt", kid: "key-1" }), payload, signature],
    ].map((parts) => parts.join("."));
    for (const token of tokens) expect((await ask(front.port, { token })).status).toBe(401);
    expect(front.passed()).toBe(0);
  });

  it.each([
    ["Basic dXNlcjpwYXNz"],
    ["Bearer"],
    ["Bearer a b"],
    ["Bearer \u00e9"],
    [`Bearer ${"a".repeat(17_000)}`],
  ])("with the Authorization header %.20s is refused", async (value) => {
    const { status, headers } = await ask(front.port, { headers: [["authorization", value]] });
    expect([status, headers.get("www-authenticate")]).toEqual([
      401,
      invalid("the Authorization header holds no bearer token"),
    ]);
  });
});

describe("the issuer's keys", () => {
  it("are fetched once for many calls, and again when it rotates them", async () => {
    for (let n = 0; n < 5; n += 1) await ask(front.port, { token: await issuer.token({ jti: String(n) }) });
    expect([front.passed(), issuer.fetches()]).toEqual([5, 1]);
    await issuer.rotate();
    const token = await issuer.token();
    // Not before the cooldown of the last fetch is over: that bounds how often anybody can make the edge fetch.
    await expect.poll(async () => (await ask(front.port, { token })).status, { timeout: 5_000 }).toBe(200);
    expect([front.passed(), issuer.fetches()]).toEqual([6, 2]);
  });

  it("are not fetched for every token that names an unknown one", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        issuer.token({ jti: String(n) }, { kid: `guess-${n}`, foreign: true }),
      ),
    );
    const began = performance.now();
    const answers = await Promise.all(tokens.map((token) => ask(front.port, { token })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    const elapsed = performance.now() - began;
    expect(issuer.fetches()).toBeLessThanOrEqual(2 + Math.ceil(elapsed / 200));
  });

  it("that cannot be had are the edge's trouble, not the agent's: 503", async () => {
    const token = await issuer.token();
    await closeAll();
    front = await startFront(issuer);
    const { status, headers } = await ask(front.port, { token });
    expect([status, headers.has("www-authenticate")]).toEqual([503, false]);
  });
});
