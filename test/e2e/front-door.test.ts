import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { freePort, leakCheck, startServer } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, textOf, toolCall } from "./call.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "reflector-secret-90be";

let stack: Stack;
let reflector: Reflector;
beforeAll(async () => {
  reflector = await startReflector({ token: secret });
  const route = { url: reflector.url, secret };
  stack = await startTunnel({ routes: { one: route, two: route } });
});
afterAll(async () => {
  await stack?.stop();
  await reflector?.close();
});

const plain = toolCall("2025-11-25", "plain", { text: "in" });

describe("a token of the real issuer", () => {
  it("opens the server that it was issued for, and no other", async () => {
    const token = await stack.token("one");
    expect(textOf(await ask(stack, { server: "one", token }, plain))).toBe("in");
    const { requests } = reflector.seen();
    const refused = await ask(stack, { server: "two", token }, plain);
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([
      401,
      `Bearer error="invalid_token", error_description="the token is not for this server", ` +
        `resource_metadata="${stack.edgeUrl}/.well-known/oauth-protected-resource/mcp/two", scope="mcp:two"`,
    ]);
    expect(reflector.seen().requests).toBe(requests);
  });

  it("does not tell servers that exist from those that do not, before it is good", async () => {
    const statusOf = async (server: string) => (await ask(stack, { server, token: "x.y.z" }, plain)).status;
    expect([await statusOf("one"), await statusOf("nothing")]).toEqual([401, 401]);
  });
});

describe("an edge that would listen beyond loopback without TLS", () => {
  it("does not start: exit code 78, and says which setting to set", async () => {
    const dir = await mkdtemp(join(tmpdir(), "sallyport-front-"));
    const listen = { host: "0.0.0.0", port: await freePort() };
    const main = new URL("../../apps/edge/main.ts", import.meta.url).pathname;
    const config = stack.material.path("run/edge-edge-1.yaml");
    const args = ["--disable-warning=ExperimentalWarning", main, "--config", config];
    try {
      const starting = startServer({
        name: "open-edge",
        command: process.execPath,
        args,
        folder: dir,
        temporary: false,
        env: { SALLYPORT_LISTEN: JSON.stringify(listen) },
        ready: async () => undefined,
      });
      await expect(starting).rejects.toThrow(/code 78/);
      await expect(starting).rejects.toThrow(
        /listening beyond loopback needs TLS: set listen\.tls\.certFile and listen\.tls\.keyFile/,
      );
    } finally {
      await rm(dir, { recursive: true });
    }
  });
});
