import { type IncomingHttpHeaders, request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { type GuardOptions, guard } from "./guard.ts";
import { listen, type Running } from "./listen.ts";

let running: Running | undefined;
afterEach(() => running?.close());

async function statusOf(options: GuardOptions, headers: IncomingHttpHeaders): Promise<number | undefined> {
  const admitted = guard(options);
  running = await listen((req, res) => void (admitted(req, res) && res.end()), {});
  const { port } = new URL(running.url);
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, headers: { host: `127.0.0.1:${port}`, ...headers } },
      (res) => {
        res.resume();
        resolve(res.statusCode);
      },
    );
    asked.once("error", reject);
    asked.end();
  });
}

describe("the guard", () => {
  it("admits loopback names on any port", async () => {
    expect(await statusOf({}, {})).toBe(200);
  });

  it("refuses a foreign Host: a page that rebinds its name to loopback sends it", async () => {
    expect(await statusOf({}, { host: "evil.example" })).toBe(403);
  });

  it("refuses a foreign Origin: any page may send a request to loopback", async () => {
    expect(await statusOf({}, { origin: "http://evil.example" })).toBe(403);
  });

  it("admits a name that it was told", async () => {
    expect(await statusOf({ allowedHosts: ["orders.internal"] }, { host: "orders.internal:8080" })).toBe(200);
  });

  it("admits the address that is bound, but never the wildcard", async () => {
    expect(await statusOf({ host: "10.1.2.3" }, { host: "10.1.2.3:8080" })).toBe(200);
    await running?.close();
    expect(await statusOf({ host: "0.0.0.0" }, { host: "0.0.0.0:8080" })).toBe(403);
  });

  it("refuses a request without the token", async () => {
    expect(await statusOf({ token: "t" }, {})).toBe(401);
    await running?.close();
    expect(await statusOf({ token: "t" }, { authorization: "Bearer t" })).toBe(200);
  });
});
