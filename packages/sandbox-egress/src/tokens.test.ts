import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { curl, listening, openDoor, permitPorts, policyOf, speak } from "./egress.fixture.ts";
import { type Binding, type Placeholder, placeholderValue } from "./placeholders.ts";
import type { EgressDeps } from "./session.ts";
import { selfSigned } from "./tls.fixture.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";

const tls = await selfSigned("auth.test", "api.test");
const clientSecret = "the-client-secret-0123456789";
const token = (kind: string, at: number) => `real-${kind}-${at}-0123456789abcdef`;
const json = { "content-type": "application/json" };
type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** Hands out numbered tokens as RFC 6749 says; what else it is asked, it says back. */
async function authorizer(answer?: Answer, secure = false) {
  const seen: { url: string; authorization: string | undefined; body: string }[] = [];
  const handler = (request: IncomingMessage, response: ServerResponse) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      const { url = "", headers } = request;
      seen.push({ url, authorization: headers.authorization, body });
      if (answer !== undefined) return answer(request, response, body);
      if (!/token/i.test(url)) return void response.end(JSON.stringify({ url, headers, body }));
      const [access, refresh, id] = ["access", "refresh", "id"].map((kind) => token(kind, seen.length));
      response.writeHead(200, { ...json, "set-cookie": "session=1", "cache-control": "no-store" });
      const tokens = { access_token: access, refresh_token: refresh, id_token: id };
      response.end(
        JSON.stringify({ token_type: "Bearer", expires_in: 60, ...tokens, note: `for ${access}` }),
      );
    });
  };
  const server = await listening(secure ? createHttps(tls, handler) : createServer(handler));
  return Object.assign(server, { seen });
}

/** A sandbox that holds its client's secret, and may use what auth.test issues at api.test. */
async function world(port: number, scheme: "http" | "https" = "http", deps: Partial<EgressDeps> = {}) {
  const auth = { scheme, host: "auth.test", port, pathPrefix: "/oauth/token" } as const;
  const bearer: Binding = {
    ...{ scheme, host: "api.test", port, pathPrefix: "/v1" },
    location: { in: "header", name: "Authorization", prefix: "Bearer " },
  };
  const password: Binding = { ...bearer, pathPrefix: "/git", location: { in: "basic" } };
  const endpoint: TokenEndpoint = {
    ...auth,
    name: "auth",
    issues: {
      access_token: { bindings: [bearer, password], prefix: "ghp_", length: 36 },
      refresh_token: { bindings: [{ ...auth, location: { in: "form", name: "refresh_token" } }] },
    },
  };
  const client: Placeholder = {
    value: placeholderValue(),
    credential: "client-secret",
    bindings: [
      { ...auth, location: { in: "form", name: "client_secret" } },
      { ...auth, location: { in: "basic" } },
    ],
  };
  const door = await openDoor(
    { policy: permitPorts(port), placeholders: [client], tokenEndpoints: [endpoint] },
    {
      addresses: new Map([`auth.test:${port}`, `api.test:${port}`].map((place) => [place, "127.0.0.1"])),
      lease: () => Promise.resolve({ value: Buffer.from(clientSecret) }),
      upstreamCa: tls.cert,
      ...deps,
    },
  );
  const ask = async (...args: string[]) => {
    const url = `${scheme}://auth.test:${port}/oauth/token`;
    const { out } = await curl(door, "-k", "-d", `client_secret=${client.value}`, ...args, url);
    return JSON.parse(out) as Record<string, string>;
  };
  return { endpoint, client, door, ask, [Symbol.asyncDispose]: () => door[Symbol.asyncDispose]() };
}

describe("a token endpoint's answer", () => {
  it("becomes placeholders, which stand for the tokens where they are bound", async () => {
    await using upstream = await authorizer();
    await using here = await world(upstream.port);
    const given = await here.ask("-d", "grant_type=client_credentials");
    expect(upstream.seen[0]?.body).toBe(`grant_type=client_credentials&client_secret=${clientSecret}`);
    expect(given.access_token).toMatch(/^ghp_[A-Za-z0-9]{36}$/);
    expect(given.refresh_token).toMatch(/^sbx_/);
    expect(given).toMatchObject({ token_type: "Bearer", expires_in: 60 });
    expect(given.note).toBe("for [redacted:auth.access_token]");
    expect(JSON.stringify(given)).not.toMatch(/real-/);

    const api = `http://api.test:${upstream.port}`;
    const used = await curl(here.door, "-H", `Authorization: Bearer ${given.access_token}`, `${api}/v1/x`);
    expect(upstream.seen[1]?.authorization).toBe(`Bearer ${token("access", 1)}`);
    expect(used.out).toContain("Bearer [redacted:auth.access_token]");
    await curl(here.door, "-u", `git:${given.access_token}`, `${api}/git/x`);
    const basic = Buffer.from(`git:${token("access", 1)}`).toString("base64");
    expect(upstream.seen[2]?.authorization).toBe(`Basic ${basic}`);
    expect(JSON.stringify(here.door.records)).not.toMatch(/real-|the-client/);
    expect(here.door.records).toMatchObject([
      { outcome: "allowed", credentials: ["client-secret"] },
      {
        outcome: "allowed",
        code: "issued",
        credentials: ["auth.access_token", "auth.refresh_token", "auth.id_token"],
      },
      { outcome: "allowed", credentials: ["auth.access_token"] },
      { outcome: "allowed", credentials: ["auth.access_token"] },
    ]);
  });

  it("is refreshed by its placeholder, the client's secret in Basic, inside TLS that ends here", async () => {
    await using upstream = await authorizer(undefined, true);
    await using here = await world(upstream.port, "https");
    const first = await here.ask();
    const url = `https://auth.test:${upstream.port}/oauth/token`;
    const form = ["-d", "grant_type=refresh_token", "-d", `refresh_token=${first.refresh_token}`];
    const { out } = await curl(here.door, "-k", "-u", `me:${here.client.value}`, ...form, url);
    const basic = Buffer.from(`me:${clientSecret}`).toString("base64");
    expect(upstream.seen[1]).toMatchObject({
      authorization: `Basic ${basic}`,
      body: `grant_type=refresh_token&refresh_token=${token("refresh", 1)}`,
    });
    const second = JSON.parse(out) as Record<string, string>;
    expect(second.access_token).not.toBe(first.access_token);
    const api = `https://api.test:${upstream.port}/v1/x`;
    for (const [at, { access_token }] of [first, second].entries()) {
      await curl(here.door, "-k", "-H", `Authorization: Bearer ${access_token}`, api);
      expect(upstream.seen[2 + at]?.authorization).toBe(`Bearer ${token("access", 1 + at)}`);
    }
  });

  it("leaves no cookie and no location through, and one placeholder for one token", async () => {
    await using upstream = await authorizer((_request, response) => {
      response.writeHead(400, { ...json, location: "/x", "set-cookie": "a=b", "retry-after": "1" });
      response.end(
        JSON.stringify({ error: "no", inner: [{ accessToken: token("access", 0) }], id_token: "" }),
      );
    });
    await using here = await world(upstream.port);
    const form = ["-i", "-d", "a=b", `http://auth.test:${upstream.port}/oauth/token`];
    const { out } = await curl(here.door, ...form);
    expect(out).toMatch(/^HTTP\/1.1 400[\s\S]*retry-after: 1/i);
    expect(out).not.toMatch(/set-cookie|location|real-/i);
    const placeholderOf = (text: string) => /ghp_\w+/.exec(text)?.[0];
    expect(placeholderOf(out)).toBeDefined();
    expect(placeholderOf((await curl(here.door, ...form)).out)).toBe(placeholderOf(out));
  });

  it("is refused, and nothing of it kept, where it cannot be read as one JSON object", async () => {
    const secret = token("access", 1);
    const good = JSON.stringify({ access_token: secret });
    const deep = `${'{"a":'.repeat(20)}${good}${"}".repeat(20)}`;
    const many = Array.from({ length: 17 }, (_, at) => ({ access_token: token("a", at) }));
    const answers: Record<string, [Record<string, string>, string | Buffer, number?]> = {
      "longer than": [json, JSON.stringify({ access_token: secret, pad: "x".repeat(66_000) })],
      packed: [{ ...json, "content-encoding": "gzip" }, gzipSync(good)],
      "no JSON (ask": [{ "content-type": "application/x-www-form-urlencoded" }, `access_token=${secret}`],
      "no JSON object": [json, good.slice(0, -1)],
      "it is no JSON object": [json, `["${secret}"]`],
      "not UTF-8": [json, Buffer.from(`{"access_token":"${secret}\xff"}`, "latin1")],
      "access_token is no string": [json, JSON.stringify({ access_token: [secret] })],
      "nested too deep": [json, deep],
      "kept out of answers": [json, '{"access_token":"real-"}'],
      "more credentials": [json, JSON.stringify({ all: many })],
      redirect: [{ ...json, location: `/#access_token=${secret}` }, good, 302],
    };
    for (const [reason, [headers, body, status = 200]] of Object.entries(answers)) {
      await using upstream = await authorizer((_request, response) =>
        response.writeHead(status, headers).end(body),
      );
      await using here = await world(upstream.port);
      const { out } = await curl(here.door, "-i", `http://auth.test:${upstream.port}/oauth/token`);
      expect(out, reason).toMatch(/^HTTP\/1.1 502[\s\S]*x-sallyport-denied: token/i);
      expect(out, reason).toContain(reason);
      expect(out, reason).not.toContain("real-");
      expect(here.door.records.at(-1), reason).toMatchObject({ outcome: "denied", code: "token" });
    }
  });

  it("is refused where it breaks off, and where it cannot be recorded", async () => {
    await using broken = await authorizer((_request, response) => {
      response.writeHead(200, { ...json, "content-length": "1000" });
      response.write(`{"access_token":"${token("access", 1)}"`, () => response.destroy());
    });
    await using here = await world(broken.port);
    const first = await curl(here.door, `http://auth.test:${broken.port}/oauth/token`);
    expect(first.out).toContain("it broke off");
    await using upstream = await authorizer();
    const record: EgressDeps["record"] = ({ code }) =>
      code === "issued" ? Promise.reject(new Error("full")) : Promise.resolve();
    await using unrecorded = await world(upstream.port, "http", { record });
    const second = await curl(unrecorded.door, "-i", `http://auth.test:${upstream.port}/oauth/token`);
    expect(second.out).toMatch(/^HTTP\/1.1 503[\s\S]*could not be recorded/);
    expect(first.out + second.out).not.toMatch(/real-|ghp_/);
  });

  it("is the endpoint's however leniently its path is read", async () => {
    await using upstream = await authorizer();
    await using here = await world(upstream.port);
    for (const path of [
      "/oauth/token/",
      "/OAuth/Token",
      "/oauth;v=1/token;x",
      "/oauth%2Ftoken",
      "/oauth/token/x?a=b",
    ]) {
      const { out } = await curl(here.door, `http://auth.test:${upstream.port}${path}`);
      expect(out, path).toMatch(/"ghp_/);
      expect(out, path).not.toContain("real-");
    }
  });
});

describe("an issued placeholder", () => {
  it("is refused wherever else it stands, and one without a binding everywhere", async () => {
    await using upstream = await authorizer();
    await using here = await world(upstream.port);
    const { access_token, refresh_token, id_token } = await here.ask();
    const api = `http://api.test:${upstream.port}/v1`;
    const auth = `http://auth.test:${upstream.port}/oauth/token`;
    const attempts: Record<string, string[]> = {
      "another host": ["-H", `Authorization: Bearer ${access_token}`, `http://auth.test:${upstream.port}/v1`],
      "another header": ["-H", `X-Token: ${access_token}`, api],
      "a body": ["-d", `refresh_token=${refresh_token}`, api],
      "another field of the form": ["-d", `assertion=${refresh_token}`, auth],
      "a second field": ["-d", `refresh_token=${refresh_token}&x=${refresh_token}`, auth],
      "the form in JSON": ["--json", JSON.stringify({ refresh_token }), auth],
      "no binding": ["-H", `Authorization: Bearer ${id_token}`, api],
    };
    for (const [what, args] of Object.entries(attempts))
      expect((await curl(here.door, "-i", ...args)).out, what).toMatch(/403 [\s\S]*placeholder/);
    expect(upstream.seen.length).toBe(1);
  });

  it("ends with its token: its use is answered as an API would, and its value is gone", async () => {
    let now = 1_000_000;
    await using upstream = await authorizer();
    await using here = await world(upstream.port, "http", { now: () => now });
    const { access_token, refresh_token } = await here.ask();
    now += 61_000;
    const api = `http://api.test:${upstream.port}/v1/x`;
    await here.ask();
    const { out } = await curl(here.door, "-i", "-H", `Authorization: Bearer ${access_token}`, api);
    expect(out).toMatch(/^HTTP\/1.1 401[\s\S]*expired: auth.access_token has ended/);
    expect(upstream.seen.length).toBe(2);
    await here.ask("-d", `refresh_token=${refresh_token}`);
    expect(upstream.seen[2]?.body).toContain(token("refresh", 1));
  });

  it("is one of sixteen: with more, the oldest stands for nothing any more", async () => {
    await using upstream = await authorizer((request, response) => {
      if (!/token/.test(request.url ?? "")) return void response.end("fine");
      response.writeHead(200, json).end(JSON.stringify({ access_token: token("a", upstream.seen.length) }));
    });
    await using here = await world(upstream.port);
    const given: string[] = [];
    for (let at = 0; at < 17; at += 1) given.push((await here.ask()).access_token ?? "");
    const api = `http://api.test:${upstream.port}/v1/x`;
    for (const held of [given[0], given[1]])
      await curl(here.door, "-H", `Authorization: Bearer ${held}`, api);
    expect(upstream.seen.slice(17).map(({ authorization }) => authorization)).toEqual([
      `Bearer ${given[0]}`,
      `Bearer ${token("a", 2)}`,
    ]);
  });
});

describe("a form with a placeholder", () => {
  it("is bounded, in ASCII, and not read where the policy denies", async () => {
    await using upstream = await authorizer();
    await using here = await world(upstream.port);
    const auth = `http://auth.test:${upstream.port}/oauth/token`;
    for (const body of [`x=${"y".repeat(66_000)}`, "x=é"]) {
      const { out } = await curl(here.door, "-i", "-d", body, auth);
      expect(out).toMatch(/403 [\s\S]*at most 64 KiB of ASCII/);
    }
    here.door.proxy.setPolicy(permitPorts(1));
    const place = `auth.test:${upstream.port}`;
    const head = `POST http://${place}/oauth/token HTTP/1.1\r\nHost: ${place}\r\nContent-Length: 9\r\n`;
    const type = "Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    expect(await speak(here.door, head + type)).toContain("no rule allows it");
    expect(upstream.seen).toEqual([]);
  });

  it("has no tunnel beside it, even where a rule allows one", async () => {
    await using upstream = await authorizer();
    await using here = await world(upstream.port);
    const scope = 'permit(principal, action == Action::"http/request", resource)';
    const when = `when { context.tls == false && context.port == ${upstream.port} }`;
    here.door.proxy.setPolicy(policyOf(`@id("raw") ${scope} ${when};`));
    const place = `auth.test:${upstream.port}`;
    const got = await speak(here.door, `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\nGET /`);
    expect(got).toContain("a credential is bound there without TLS");
    expect(upstream.count()).toBe(0);
  });
});
