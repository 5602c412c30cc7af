import { createHash, randomBytes } from "node:crypto";
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIssuer, type Issuer } from "./issuer.ts";

const orders = "http://127.0.0.1:1/mcp/orders";
const tickets = "http://127.0.0.1:1/mcp/tickets";
const secret = randomBytes(24).toString("base64url");
const redirect = "http://127.0.0.1:8123/callback";
let issuer: Issuer;

beforeAll(async () => {
  issuer = await createIssuer({
    resources: (resource) => [orders, tickets].includes(resource),
    clients: [{ id: "agent", secret, scopes: ["mcp:orders"] }],
    accessTokenTtlSeconds: 300,
  });
});
afterAll(() => issuer.stop());

type Answer = { status: number; json: Record<string, string> };

async function post(
  path: string,
  body: Record<string, string> | object,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const form = headers["content-type"] !== "application/json";
  const response = await fetch(`${issuer.url}${path}`, {
    method: "POST",
    headers,
    body: form ? new URLSearchParams(body as Record<string, string>) : JSON.stringify(body),
  });
  return { status: response.status, json: (await response.json()) as Record<string, string> };
}

async function clientCredentials(ask: Record<string, string>, withSecret = secret): Promise<Answer> {
  const authorization = `Basic ${Buffer.from(`agent:${withSecret}`).toString("base64")}`;
  return await post("/token", { grant_type: "client_credentials", ...ask }, { authorization });
}

async function verify(token: string, audience: string, alg = "ES256") {
  const keys = createRemoteJWKSet(new URL(`${issuer.url}/jwks`));
  const options = { issuer: issuer.url, audience, typ: "at+jwt", algorithms: [alg] };
  return (await jwtVerify(token, keys, options)).payload;
}

describe("an agent with client credentials", () => {
  it("gets an RFC 9068 token for the one resource it names, verified with the published keys", async () => {
    const { json } = await clientCredentials({ resource: orders, scope: "mcp:orders" });
    const claims = await verify(json.access_token ?? "", orders);
    expect(claims).toMatchObject({ aud: orders, client_id: "agent", sub: "agent", scope: "mcp:orders" });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(300);
    await expect(verify(json.access_token ?? "", tickets)).rejects.toThrow(/aud/);
  });

  it.each([
    [
      "an unknown resource",
      { resource: "http://127.0.0.1:1/mcp/payroll", scope: "mcp:orders" },
      "invalid_target",
    ],
    ["a resource that is none of its own", { resource: tickets }, "invalid_target"],
    ["no resource", { scope: "mcp:orders" }, "invalid_target"],
    ["a scope it may not have", { resource: orders, scope: "mcp:orders mcp:tickets" }, "invalid_scope"],
  ])("is refused with %s", async (_, ask, error) => {
    expect(await clientCredentials(ask)).toMatchObject({ status: 400, json: { error } });
  });

  it("is refused with a wrong secret", async () => {
    const answer = await clientCredentials({ resource: orders, scope: "mcp:orders" }, "wrong");
    expect(answer).toMatchObject({ status: 401, json: { error: "invalid_client" } });
  });

  it("gets an EdDSA token where the issuer is told to sign so", async () => {
    const other = await createIssuer({
      resources: () => true,
      clients: [{ id: "agent", secret, scopes: ["mcp:orders"] }],
      signingAlgorithm: "EdDSA",
    });
    const before = issuer;
    issuer = other;
    try {
      const { json } = await clientCredentials({ resource: orders, scope: "mcp:orders" });
      expect(decodeProtectedHeader(json.access_token ?? "")).toMatchObject({ alg: "EdDSA", typ: "at+jwt" });
      expect(await verify(json.access_token ?? "", orders, "EdDSA")).toMatchObject({ scope: "mcp:orders" });
    } finally {
      issuer = before;
      await other.stop();
    }
  });
});

interface Stop {
  readonly url: string;
  readonly status: number;
  readonly text: string;
  /** The page's content security policy. */
  readonly policy: string | null;
}

/** A browser without a screen: it follows redirects on this issuer and keeps its cookies. */
class Browser {
  readonly #cookies = new Map<string, string>();

  /** Ends at a page, or at an address that is not the issuer's. */
  async go(url: string, method = "GET"): Promise<Stop> {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { method, redirect: "manual", headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [name = "", value = ""] = (line.split(";")[0] ?? "").split(/=(.*)/s);
      if (value === "") this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    const location = response.headers.get("location");
    const stop = {
      status: response.status,
      text: await response.text(),
      policy: response.headers.get("content-security-policy"),
    };
    if (location === null) return { url, ...stop };
    const next = new URL(location, url).href;
    return next.startsWith(issuer.url) ? await this.go(next) : { url: next, ...stop };
  }
}

async function register(change: object = {}): Promise<Answer> {
  const metadata = {
    client_name: "<b>Inspector</b>",
    redirect_uris: [redirect],
    token_endpoint_auth_method: "none",
  };
  const body = { ...metadata, grant_types: ["authorization_code", "refresh_token"], ...change };
  return await post("/reg", body, { "content-type": "application/json" });
}

interface Flow {
  readonly client: string;
  readonly verifier: string;
}

function authorizeUrl({ client, verifier }: Flow, change: Record<string, string> = {}): string {
  const challenge = createHash("sha256").update(verifier).digest("base64url");
  const ask = {
    response_type: "code",
    client_id: client,
    redirect_uri: redirect,
    scope: "mcp:orders",
    resource: orders,
  };
  const pkce = { code_challenge: challenge, code_challenge_method: "S256", state: "s" };
  return `${issuer.url}/auth?${new URLSearchParams({ ...ask, ...pkce, ...change })}`;
}

async function startFlow(): Promise<Flow> {
  const { json } = await register();
  return { client: json.client_id ?? "", verifier: randomBytes(32).toString("base64url") };
}

async function codeOf(flow: Flow): Promise<string> {
  const browser = new Browser();
  const consent = await browser.go(authorizeUrl(flow));
  expect(consent).toMatchObject({ status: 200, url: expect.stringContaining("/interaction/") as string });
  const end = new URL((await browser.go(consent.url, "POST")).url);
  expect(end.origin + end.pathname).toBe(redirect);
  return end.searchParams.get("code") ?? "";
}

async function exchange(flow: Flow, code: string, change: Record<string, string> = {}): Promise<Answer> {
  const proof = { code, client_id: flow.client, redirect_uri: redirect, code_verifier: flow.verifier };
  return await post("/token", { grant_type: "authorization_code", resource: orders, ...proof, ...change });
}

describe("a person's MCP client", () => {
  it("registers itself, has the person say yes, and gets a token for the demo user, once", async () => {
    const flow = await startFlow();
    const code = await codeOf(flow);
    const { json } = await exchange(flow, code);
    const claims = await verify(json.access_token ?? "", orders);
    expect(claims).toMatchObject({ sub: "demo@example.com", client_id: flow.client, scope: "mcp:orders" });
    expect(await exchange(flow, code)).toMatchObject({ status: 400, json: { error: "invalid_grant" } });
  });

  it("refreshes its token without the person, and a used refresh token is dead", async () => {
    const flow = await startFlow();
    const { json: first } = await exchange(flow, await codeOf(flow));
    const refresh = {
      grant_type: "refresh_token",
      client_id: flow.client,
      refresh_token: first.refresh_token ?? "",
    };
    const { json: second } = await post("/token", refresh);
    expect(await verify(second.access_token ?? "", orders)).toMatchObject({ scope: "mcp:orders" });
    expect(await post("/token", refresh)).toMatchObject({ status: 400, json: { error: "invalid_grant" } });
  });

  it("gets nothing for a stolen code without its verifier", async () => {
    const flow = await startFlow();
    const stolen = await exchange(flow, await codeOf(flow), {
      code_verifier: randomBytes(32).toString("base64url"),
    });
    expect(stolen).toMatchObject({ status: 400, json: { error: "invalid_grant" } });
  });

  it("gets no token for another resource than the one the person saw", async () => {
    const flow = await startFlow();
    const other = await exchange(flow, await codeOf(flow), { resource: tickets });
    expect(other).toMatchObject({ status: 400, json: { error: "invalid_target" } });
  });

  it.each([
    ["no PKCE", { code_challenge: "", code_challenge_method: "" }, "error=invalid_request"],
    ["plain PKCE", { code_challenge_method: "plain" }, "error=invalid_request"],
    ["an unknown resource", { resource: "http://127.0.0.1:1/mcp/payroll" }, "error=invalid_target"],
    ["no resource", { resource: "" }, "error=invalid_target"],
  ])("is sent back with an error for %s", async (_, change, error) => {
    const end = await new Browser().go(authorizeUrl(await startFlow(), change));
    expect(end.url).toContain(error);
  });

  it("can't have the code sent to an address it did not register", async () => {
    const end = await new Browser().go(
      authorizeUrl(await startFlow(), { redirect_uri: "http://127.0.0.1:9/elsewhere" }),
    );
    expect(end).toMatchObject({ status: 400, url: expect.stringContaining(issuer.url) as string });
  });

  it("is shown to the person by name, as text, in a page that can't be framed or scripted", async () => {
    const page = await new Browser().go(authorizeUrl(await startFlow()));
    expect(page.text).toContain("&#60;b&#62;Inspector&#60;/b&#62;");
    expect(page.text).toContain(`mcp:orders at ${orders}`);
    expect(page.policy).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
  });

  it.each([
    ["a secret", { token_endpoint_auth_method: "client_secret_basic" }],
    ["client credentials", { grant_types: ["client_credentials"], redirect_uris: [], response_types: [] }],
    ["a redirect elsewhere", { redirect_uris: ["https://evil.example/callback"] }],
  ])("can't register with %s", async (_, change) => {
    const answer = await register(change);
    expect(answer).toMatchObject({
      status: 400,
      json: { error: expect.stringMatching(/^invalid_(client_metadata|redirect_uri)$/) },
    });
  });
});

describe("the issuer", () => {
  it("publishes RFC 8414 metadata, and only the public halves of its keys", async () => {
    const metadata = await fetch(`${issuer.url}/.well-known/oauth-authorization-server`);
    expect(await metadata.json()).toMatchObject({
      issuer: issuer.url,
      code_challenge_methods_supported: ["S256"],
    });
    const { keys } = (await (await fetch(`${issuer.url}/jwks`)).json()) as { keys: Record<string, string>[] };
    expect(keys.map(({ kty }) => kty).sort()).toEqual(["EC", "OKP"]);
    for (const key of keys) expect(key).not.toHaveProperty("d");
  });

  it("does not answer under another host name", async () => {
    const { port } = new URL(issuer.url);
    const response = await fetch(`http://localhost:${port}/jwks`).catch(() => undefined);
    expect(response?.status ?? 421).toBe(421);
    expect((await fetch(`${issuer.url}/interaction/unknown`)).status).toBe(400);
  });
});
