import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { ServiceError } from "@sallyport/contracts";
import { jwksFromUrl, tokenVerifier } from "@sallyport/grant";
import type { SecretFile } from "@sallyport/runtime";
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { handleCall } from "../handle-call.ts";
import { authenticator } from "../token/authenticate.ts";
import { type ListenOptions, listen } from "./listen.ts";
import { resourceOf } from "./metadata.ts";

const publicUrl = "https://edge.test";
const closing: (() => Promise<void>)[] = [];

/** For `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close();
}

/** An issuer's keys at a URL, and tokens signed with them. */
export interface TestIssuer {
  url: string;
  /** How often its keys were fetched. */
  fetches(): number;
  /** A new key takes the place of the published one. */
  rotate(): Promise<void>;
  /** What a good token for `orders` says, changed as told; `undefined` leaves a claim out. */
  token(changes?: JWTPayload, signedBy?: { kid?: string; foreign?: boolean }): Promise<string>;
}

export async function startIssuer(): Promise<TestIssuer> {
  let fetches = 0;
  let published: JWK[] = [];
  let current: { kid: string; key: CryptoKey } | undefined;
  let generation = 0;
  const rotate = async () => {
    const { publicKey, privateKey } = await generateKeyPair("ES256");
    generation += 1;
    const kid = `key-${generation}`;
    published = [{ ...(await exportJWK(publicKey)), kid, alg: "ES256", use: "sig" }];
    current = { kid, key: privateKey };
  };
  await rotate();
  const server = createServer((_request, response) => {
    fetches += 1;
    response.setHeader("content-type", "application/json").end(JSON.stringify({ keys: published }));
  });
  const url = `http://127.0.0.1:${await listening(server)}`;
  closing.push(() => closed(server));
  return {
    url,
    fetches: () => fetches,
    rotate,
    token: async (changes = {}, { kid, foreign } = {}) => {
      const key = foreign ? (await generateKeyPair("ES256")).privateKey : current?.key;
      if (key === undefined) throw new Error("the issuer has no key");
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        ...{ iss: url, sub: "agent-7", client_id: "agent-7", aud: resourceOf(publicUrl, "orders") },
        ...{ scope: "mcp:orders", iat: now, exp: now + 60 },
        ...changes,
      };
      return await new SignJWT(claims)
        .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: kid ?? current?.kid ?? "" })
        .sign(key);
    },
  };
}

export interface Front {
  port: number;
  /** Calls that came through every check of the edge. What is behind it is not there, and says so. */
  passed(): number;
}

/** The edge's HTTP front with all its checks, in front of no tunnel. */
export async function startFront(issuer: TestIssuer, options: Partial<ListenOptions> = {}): Promise<Front> {
  let passed = 0;
  const now = () => new Date();
  const body = options.limits?.body ?? 1024 * 1024;
  const authenticate = authenticator({
    verify: tokenVerifier({
      issuer: issuer.url,
      audience: (server) => resourceOf(publicUrl, server),
      keys: jwksFromUrl(`${issuer.url}/jwks`, { cooldownSeconds: 0.2 }),
      now,
    }),
    isRevoked: () => false,
    publicUrl,
    now,
  });
  const deps = {
    addressing: { hosts: new Set(["edge.test"]), origins: new Set([publicUrl, "https://app.example"]) },
    authenticate,
    route: async () => {
      passed += 1;
      throw new ServiceError("unavailable", "there is no tunnel in this test");
    },
    limits: { body, answer: 1_000 },
    publicUrl,
  };
  const front = await listen({
    host: "127.0.0.1",
    port: 0,
    tls: undefined,
    publicUrl,
    issuer: issuer.url,
    limits: { body, connections: 100, request: 30_000, drain: 5_000 },
    call: (call) => handleCall(deps, call),
    ...options,
  });
  closing.push(() => front.close());
  return { port: front.port, passed: () => passed };
}

export interface RawAnswer {
  status: number;
  headers: Map<string, string>;
  body: string;
  json: Record<string, unknown>;
}

export interface RawAsk {
  method?: string;
  path?: string;
  /** As they go over the wire, one line each; `undefined` leaves a usual one out. */
  headers?: readonly (readonly [name: string, value: string])[];
  without?: readonly string[];
  body?: string | Uint8Array;
  token?: string;
  ca?: string;
}

/** One request, written byte by byte: no client library that would make it better than it is. */
export function ask(port: number, asked: RawAsk): Promise<RawAnswer> {
  const { method = "POST", path = "/mcp/orders", headers = [], without = [], body = call(), token } = asked;
  const bytes = Buffer.from(body);
  const usual = [
    ["host", "edge.test"],
    ["connection", "close"],
    ...(method === "POST" ? [["content-type", "application/json"]] : []),
    ...(method === "POST" ? [["content-length", String(bytes.length)]] : []),
    ...(token === undefined ? [] : [["authorization", `Bearer ${token}`]]),
  ].filter(([name = ""]) => !without.includes(name));
  const lines = [...usual, ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const head = `${method} ${path} HTTP/1.1\r\n${lines}\r\n`;
  return exchange(
    port,
    method === "POST" ? Buffer.concat([Buffer.from(head), bytes]) : Buffer.from(head),
    asked.ca,
  );
}

export function call(params: object = { name: "list_orders", arguments: {} }): string {
  return JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params });
}

function exchange(port: number, bytes: Uint8Array, ca: string | undefined): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket =
      ca === undefined
        ? connect(port, "127.0.0.1")
        : connectTls({ port, host: "127.0.0.1", ca, servername: "edge.test" });
    const chunks: Buffer[] = [];
    let failure: Error | undefined;
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", (error) => {
      failure = error;
    });
    socket.on("close", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      if (text === "") reject(failure ?? new Error("closed without an answer"));
      else resolve(parse(text));
    });
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer in 10 s")));
    socket.write(bytes);
  });
}

function parse(text: string): RawAnswer {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [first = "", ...lines] = head.split("\r\n");
  const headers = new Map(
    lines.map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()] as const;
    }),
  );
  const body = rest.join("\r\n\r\n");
  const isJson = body !== "" && /json/.test(headers.get("content-type") ?? "");
  const json = isJson ? (JSON.parse(body) as Record<string, unknown>) : {};
  return { status: Number(first.split(" ")[1]), headers, body, json };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** Made for these tests alone, for edge.test and 127.0.0.1. Opens nothing. */
export const certificate = `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUIGl1yCchc7F9pu95qUthkZ42/EkwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJZWRnZS50ZXN0MCAXDTI2MTEyNDE2MjMxNVoYDzIxMjYxMDMx
MTYyMzE1WjAUMRIwEAYDVQQDDAllZGdlLnRlc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATqdspspjE8mkxsx5DCZpXhWBcVb63OgaIKZqdA59JOJOASKahqyaWC
TxBPRJ4M11CCJp6PSeK4CPOx4kgqHAdYo28wbTAdBgNVHQ4EFgQU/6CA9S98QYqj
IyebH/S4CwPYOpAwHwYDVR0jBBgwFoAU/6CA9S98QYqjIyebH/S4CwPYOpAwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARggllZGdlLnRlc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgMd2HRX6wQ6VMj6aANjHaLO6vFFkbBeW6TnMamk3m+kUCIHyb
eiO92HOxhH/9ClQXER5SiOkp9WNuPMsXeKAqYXP5
-----END CERTIFICATE-----`;
export const certificateKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQggulfXB+gsO9ostw1
o0pFWG3ALs1KBqLQ1OuCRJo8jH6hRANCAATqdspspjE8mkxsx5DCZpXhWBcVb63O
gaIKZqdA59JOJOASKahqyaWCTxBPRJ4M11CCJp6PSeK4CPOx4kgqHAdY
-----END PRIVATE KEY-----`;

export const keyFile = (text: string): SecretFile =>
  ({ path: "in memory", read: async () => ({ reveal: () => Buffer.from(text) }) }) as unknown as SecretFile;
