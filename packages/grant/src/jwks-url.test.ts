import { generateKeyPairSync } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type JwksUrlOptions, jwksFromUrl } from "./jwks-url.ts";

/** A real issuer's endpoint. `answer` is what it does; `fetches` counts how often it was asked. */
let server: Server;
let url: string;
let fetches: number;
let answer: (res: ServerResponse) => void;
let time: number;

const jwk = (kid: string) => ({ ...generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }), kid });
const publish = (...kids: string[]) => {
  const body = JSON.stringify({ keys: kids.map(jwk) });
  answer = (res) => res.end(body);
};
const fail = () => {
  answer = (res) => res.writeHead(503).end();
};

beforeEach(async () => {
  fetches = 0;
  time = 0;
  server = createServer((_, res) => {
    fetches += 1;
    answer(res);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});

const source = (options: JwksUrlOptions = {}) => jwksFromUrl(url, { clock: () => time, ...options });
const hint = (kid: string) => ({ alg: "EdDSA", kid });
const unavailable = { code: "keys-unavailable" };
const unknown = { code: "unknown-key" };

describe("keys from a URL", () => {
  test("are fetched once, by the first of many tokens that need them", async () => {
    publish("a");
    const keys = source();
    expect(fetches).toBe(0);
    await Promise.all(Array.from({ length: 50 }, () => keys.keyFor(hint("a"))));
    await keys.keyFor(hint("a"));
    expect(fetches).toBe(1);
  });

  test("are fetched again when the issuer has rotated them", async () => {
    publish("a");
    const keys = source();
    await keys.keyFor(hint("a"));
    publish("b");
    time += 10_000;
    expect(await keys.keyFor(hint("b"))).toMatchObject({ type: "public" });
    await expect(keys.keyFor(hint("a"))).rejects.toMatchObject(unknown);
    expect(fetches).toBe(2);
  });

  test("cause no storm of fetches when tokens name keys that do not exist", async () => {
    publish("a");
    const keys = source();
    await keys.keyFor(hint("a"));
    const flood = (n: number) =>
      Promise.allSettled(Array.from({ length: n }, (_, i) => keys.keyFor(hint(`random-${i}`))));
    for (const result of await flood(500))
      expect(result).toMatchObject({ status: "rejected", reason: unknown });
    expect(fetches).toBe(1); // the first fetch was a moment ago
    time += 10_000;
    await flood(500);
    await flood(500);
    expect(fetches).toBe(2);
    await keys.keyFor(hint("a")); // and nobody else suffers
    expect(fetches).toBe(2);
  });

  test("are refreshed before they are stale, without a token having to wait", async () => {
    publish("a");
    const keys = source();
    await keys.keyFor(hint("a"));
    let finish = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = (res) => {
        finish = () => res.end(JSON.stringify({ keys: [jwk("b")] }));
        resolve();
      };
    });
    time += 300_000;
    await keys.keyFor(hint("a")); // served although the issuer has not answered
    await asked;
    finish();
    await keys.keyFor(hint("b"));
    expect(fetches).toBe(2);
  });

  test("serve through a failing refresh until they are stale, then no more", async () => {
    publish("a");
    const keys = source();
    await keys.keyFor(hint("a"));
    fail();
    time = 3_599_000;
    await keys.keyFor(hint("a"));
    await expect(keys.keyFor(hint("b"))).rejects.toMatchObject(unknown); // awaits the failing refresh
    time = 3_600_000;
    await expect(keys.keyFor(hint("a"))).rejects.toMatchObject(unavailable);
  });

  test("that cannot be had at first refuse tokens, and come by themselves", async () => {
    fail();
    const keys = source();
    await expect(keys.keyFor(hint("a"))).rejects.toMatchObject(unavailable);
    publish("a");
    await expect(keys.keyFor(hint("a"))).rejects.toMatchObject(unavailable); // asked a moment ago
    expect(fetches).toBe(1);
    time += 1000;
    await keys.keyFor(hint("a"));
    expect(fetches).toBe(2);
  });
});

describe("a slow fetch", () => {
  test("is joined by who comes later, even when another one would be due", async () => {
    fail();
    const keys = source();
    await expect(keys.keyFor(hint("a"))).rejects.toMatchObject(unavailable);
    let finish = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = (res) => {
        finish = () => res.end(JSON.stringify({ keys: [jwk("a")] }));
        resolve();
      };
    });
    time += 1000;
    const first = keys.keyFor(hint("a"));
    await asked;
    time += 4000;
    const second = keys.keyFor(hint("a"));
    finish();
    expect(await second).toBe(await first);
    expect(fetches).toBe(2);
  });
});

describe("an answer is not taken", () => {
  test.each<[string, (res: ServerResponse) => void]>([
    ["that is an error", (res) => res.writeHead(404).end(JSON.stringify({ keys: [jwk("a")] }))],
    ["that redirects, even to good keys", redirect],
    ["that is no JWK Set", (res) => res.end("<html>")],
    ["that holds a private key", (res) => res.end(JSON.stringify({ keys: [privateJwk("a")] }))],
    ["that is too large", (res) => res.end(JSON.stringify({ keys: [jwk("a")], x: "x".repeat(256 * 1024) }))],
    [
      "that is cut short",
      (res) => res.writeHead(200, { "content-length": 1000 }).write('{"keys":', () => res.destroy()),
    ],
  ])("%s", async (_, behaviour) => {
    answer = behaviour;
    await expect(source().keyFor(hint("a"))).rejects.toMatchObject(unavailable);
  });

  test("that never ends", async () => {
    answer = (res) => {
      res.writeHead(200).write('{"keys":');
    };
    await expect(source({ timeoutSeconds: 0.05 }).keyFor(hint("a"))).rejects.toMatchObject(unavailable);
  });

  test("that never begins, through a fetch of one's own", async () => {
    const fetch: typeof globalThis.fetch = (_, init) =>
      new Promise((_resolve, reject) => {
        init?.signal?.addEventListener("abort", () => reject(new Error("aborted")));
      });
    await expect(source({ fetch, timeoutSeconds: 0.05 }).keyFor(hint("a"))).rejects.toMatchObject(
      unavailable,
    );
  });

  function redirect(res: ServerResponse): void {
    if (res.req.url === "/other") res.end(JSON.stringify({ keys: [jwk("a")] }));
    else res.writeHead(302, { location: "/other" }).end();
  }

  const privateJwk = (kid: string) => ({
    ...generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }),
    kid,
  });
});

describe("a URL is refused at once", () => {
  test.each([
    "http://issuer.example/jwks",
    "http://127.evil.example/jwks",
    "http://localhost.example/jwks",
    "http://10.0.0.1/jwks",
    "ftp://localhost/jwks",
    "https://user:secret@issuer.example/jwks",
    "https://user@issuer.example/jwks",
  ])("%s", (wrong) => {
    expect(() => jwksFromUrl(wrong)).toThrow(TypeError);
    expect(() => jwksFromUrl(wrong)).not.toThrow("secret");
  });

  test.each([
    "https://issuer.example/jwks",
    "http://localhost:1/jwks",
    "http://[::1]:1/jwks",
    "http://127.0.0.2/jwks",
  ])("unless it is like %s", (right) => {
    expect(() => jwksFromUrl(right)).not.toThrow();
  });
});
