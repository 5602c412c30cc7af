import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { startIssuer } from "./issuer.ts";
import { leakCheck } from "./leak-check.ts";

afterAll(leakCheck);

const resource = "http://127.0.0.1:1/mcp/orders";
const secret = "a-secret-of-the-agent";
const config = { resources: [resource], clients: [{ id: "agent", secret, scopes: ["mcp:orders"] }] };

async function token(url: string): Promise<string | undefined> {
  const response = await fetch(`${url}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${btoa(`agent:${secret}`)}` },
    body: new URLSearchParams({ grant_type: "client_credentials", resource, scope: "mcp:orders" }),
  });
  return ((await response.json()) as { access_token?: string }).access_token;
}

describe("startIssuer", () => {
  it("starts the example issuer as a process, which comes back at the same address after a kill", async () => {
    const issuer = await startIssuer({ config });
    expect(await token(issuer.url)).toMatch(/^ey/);
    await issuer.kill();
    await issuer.restart();
    expect(await token(issuer.url)).toMatch(/^ey/);
    await issuer.stop();
    await expect(fetch(issuer.url)).rejects.toThrow();
  });

  it("hands it the client secrets in a file for its owner only", async () => {
    const issuer = await startIssuer({ config });
    expect((await stat(join(issuer.dir, "issuer.json"))).mode & 0o777).toBe(0o600);
    if (process.platform === "linux") {
      const seen = await Promise.all(
        ["cmdline", "environ"].map((file) => readFile(`/proc/${issuer.pid}/${file}`, "utf8")),
      );
      expect(seen.join()).not.toContain(secret);
    }
    await issuer.stop();
  });

  it("refuses a setting it does not know, in the process's own words", async () => {
    await expect(startIssuer({ config: { ...config, resorces: [] } })).rejects.toThrow(/resorces/);
  });
});
