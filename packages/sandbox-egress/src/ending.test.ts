import { createServer, type IncomingMessage, request as send } from "node:http";
import { until } from "@sallyport/testkit";
import { describe, expect, it } from "vitest";
import { listening, openDoor, permitPorts, quickLimits } from "./egress.fixture.ts";
import { placeholderValue } from "./placeholders.ts";
import type { EgressDeps } from "./session.ts";

const within = { within: 5_000 };

/** A server that never answers, and a request to it through a door. */
async function world(deps: Partial<EgressDeps> = {}) {
  const got: IncomingMessage[] = [];
  const upstream = await listening(createServer((request) => void got.push(request)));
  const { port } = upstream;
  const at = { scheme: "http", host: "api.test", port, pathPrefix: "/" } as const;
  const location = { in: "header", name: "authorization", prefix: "Bearer " } as const;
  const held = { value: placeholderValue(), credential: "api", bindings: [{ ...at, location }] };
  const door = await openDoor(
    { policy: permitPorts(port), placeholders: [held] },
    {
      addresses: new Map([[`api.test:${port}`, "127.0.0.1"]]),
      lease: () => Promise.resolve({ value: Buffer.from("the-real-token-0123456789") }),
      ...deps,
    },
  );
  const headers = { host: `api.test:${port}`, authorization: `Bearer ${held.value}` };
  const asked = send({ socketPath: door.socketPath, path: `http://api.test:${port}/x`, headers }).end();
  let said: string | undefined;
  asked.on("error", ({ message }) => {
    said = message;
  });
  asked.on("response", async (response) => {
    said = `${response.statusCode} ${Buffer.concat(await response.toArray())}`;
  });
  return {
    ...{ got, door, asked, upstream },
    /** Before the server would count as silent. */
    async answer() {
      await until("the client is told", () => said, within);
      return said;
    },
    async [Symbol.asyncDispose]() {
      asked.destroy();
      await door[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}

describe("a request under way", () => {
  it("ends, at the server too, with a policy that denies it, and its client is told", async () => {
    await using here = await world();
    await until("it is with the server", () => here.got.length === 1, within);
    here.door.proxy.setPolicy(permitPorts(1));
    expect(await here.answer()).toMatch(/^403 sallyport egress: policy: /);
    await until("the server has lost it", () => here.got[0]?.destroyed, within);
    expect(here.door.records.at(-1)).toMatchObject({ outcome: "ended", code: "policy" });
  });

  it("is not sent where a policy came to deny it while its credential was leased", async () => {
    const lease = Promise.withResolvers<{ value: Buffer }>();
    let asked = false;
    await using here = await world({
      lease: () => {
        asked = true;
        return lease.promise;
      },
    });
    await until("the lease is asked for", () => asked, within);
    here.door.proxy.setPolicy(permitPorts(1));
    lease.resolve({ value: Buffer.from("the-real-token-0123456789") });
    expect(await here.answer()).toMatch(/^403 sallyport egress: policy: /);
    expect(here.upstream.count()).toBe(0);
  });

  it("ends at the server when its client is gone", async () => {
    await using here = await world();
    await until("it is with the server", () => here.got.length === 1, within);
    here.asked.destroy();
    await until("the server has lost it", () => here.got[0]?.destroyed, within);
  });

  it("ends when it has taken as long as one may", async () => {
    await using here = await world({ limits: { ...quickLimits, headTimeoutMs: 300, totalMs: 300 } });
    expect(await here.answer()).toMatch(/^504 sallyport egress: timeout: /);
    await until("the server has lost it", () => here.got.every(({ destroyed }) => destroyed), within);
  });
});
