import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type Issuer, leakCheck, startIssuer } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { sallyport } from "../stack.fixture.ts";

afterAll(leakCheck);

const edge = "https://agents.example.com";
const secret = "s3cret:with/odd&characters+% ok";

let folder: string;
let issuer: Issuer;
const fakes: Server[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-token-"));
  issuer = await startIssuer({
    config: {
      resources: [`${edge}/mcp/orders`],
      clients: [{ id: "demo agent", secret, scopes: ["mcp:orders"] }],
    },
  });
});
afterAll(async () => {
  await issuer.stop();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  for (const one of fakes.splice(0)) one.close();
});

function config(settings: { issuer?: object | undefined; edge?: object | undefined } = {}): string {
  const secretFile = join(folder, "client.secret");
  writeFileSync(secretFile, `${secret}\n`);
  chmodSync(secretFile, 0o600);
  const file = join(folder, "cli.yaml");
  const filled = {
    issuer: { url: issuer.url, clientId: "demo agent", clientSecretFile: "client.secret" },
    edge: { url: edge },
    ...settings,
  };
  writeFileSync(file, stringify(JSON.parse(JSON.stringify(filled))));
  return file;
}

/** Something that answers in the issuer's place. */
async function fake(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  fakes.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function claimsOf(token: string): unknown {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
}

test("stdout is the token and nothing else, for one server only", async () => {
  const { code, out, err } = await sallyport(["token", "--server", "orders", "--config", config()]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  expect(out).toMatch(/^\S+\n$/);
  expect(claimsOf(out)).toMatchObject({
    iss: issuer.url,
    aud: `${edge}/mcp/orders`,
    scope: "mcp:orders",
    client_id: "demo agent",
  });
});

test("as JSON it comes with its end, resource and client", async () => {
  const { out } = await sallyport(["token", "--server", "orders", "--json", "--config", config()]);
  const answer = JSON.parse(out);
  expect(answer).toMatchObject({ resource: `${edge}/mcp/orders`, scope: "mcp:orders", client: "demo agent" });
  expect(Date.parse(answer.expiresAt)).toBeGreaterThan(Date.now());
});

test("the issuer's refusal is exit code 77 and says why, without the secret", async () => {
  const { code, out, err } = await sallyport(["token", "--server", "payroll", "--config", config()]);
  expect({ code, out }).toEqual({ code: 77, out: "" });
  expect(err).toContain(`refuses demo agent a token for ${edge}/mcp/payroll: invalid_target`);
  expect(err).not.toContain(secret);
});

test("another client with another secret is refused like any stranger", async () => {
  const file = config();
  const other = join(folder, "other.secret");
  writeFileSync(other, "wrong", { mode: 0o600 });
  const args = ["--client", "stranger", "--client-secret-file", other, "--json"];
  const { code, err } = await sallyport(["token", "--server", "orders", ...args, "--config", file]);
  expect(code).toBe(77);
  expect(JSON.parse(err).error).toMatchObject({
    code: "refused",
    setting: "issuer.clientId, issuer.clientSecretFile",
    exitCode: 77,
  });
});

test("an issuer that is away is exit code 69", async () => {
  const file = config({
    issuer: { url: `http://127.0.0.1:${await freePort()}`, clientId: "a", clientSecretFile: "client.secret" },
  });
  const { code, err } = await sallyport(["token", "--server", "orders", "--config", file]);
  expect(code).toBe(69);
  expect(err).toMatch(/127\.0\.0\.1:\S+ gives no answer: ECONNREFUSED\n {2}setting: issuer\.url\n {2}fix: /);
});

test("a host that says it is another issuer gets no secret", async () => {
  let asked = 0;
  const url = await fake((request, response) => {
    if (request.method === "POST") asked += 1;
    const base = `http://${request.headers.host}`;
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        issuer: "https://other.example",
        token_endpoint: `${base}/token`,
        jwks_uri: `${base}/jwks`,
      }),
    );
  });
  const file = config({ issuer: { url, clientId: "a", clientSecretFile: "client.secret" } });
  const { code, err } = await sallyport(["token", "--server", "orders", "--config", file]);
  expect(code).toBe(78);
  expect(err).toContain("says that it is the issuer https://other.example");
  expect(asked).toBe(0);
});

test("a token endpoint that redirects is not followed: the secret stays here", async () => {
  let stolen = 0;
  const thief = await fake((_request, response) => {
    stolen += 1;
    response.end("{}");
  });
  const url = await fake((request, response) => {
    const base = `http://${request.headers.host}`;
    if (request.url === "/token") response.writeHead(307, { location: `${thief}/token` }).end();
    else
      response.end(
        JSON.stringify({ issuer: base, token_endpoint: `${base}/token`, jwks_uri: `${base}/jwks` }),
      );
  });
  const file = config({ issuer: { url, clientId: "a", clientSecretFile: "client.secret" } });
  const { code } = await sallyport(["token", "--server", "orders", "--config", file]);
  expect(code).toBe(69);
  expect(stolen).toBe(0);
});

test("an answer without end is given up", async () => {
  const url = await fake((_request, response) => {
    const more = () => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  });
  const file = config({ issuer: { url, clientId: "a", clientSecretFile: "client.secret" } });
  const { code, err } = await sallyport(["token", "--server", "orders", "--config", file]);
  expect(code).toBe(69);
  expect(err).toContain("larger than 262144 bytes");
});

test("what the issuer says cannot command the terminal", async () => {
  const url = await fake((request, response) => {
    const base = `http://${request.headers.host}`;
    if (request.url === "/token") {
      response.statusCode = 400;
      response.end(JSON.stringify({ error: "invalid_grant", error_description: "\x1b]0;gotcha\x07" }));
    } else
      response.end(
        JSON.stringify({ issuer: base, token_endpoint: `${base}/token`, jwks_uri: `${base}/jwks` }),
      );
  });
  const file = config({ issuer: { url, clientId: "a", clientSecretFile: "client.secret" } });
  for (const more of [[], ["--json"]]) {
    const { err } = await sallyport(["token", "--server", "orders", "--config", file, ...more]);
    expect(err).toContain("gotcha");
    expect(err).not.toMatch(/[\x1b\x07]/);
  }
});

test.each([
  [{ edge: undefined }, "edge"],
  [{ issuer: undefined }, "issuer"],
])("a part of the settings that is missing is exit code 78 and named (%o)", async (without, part) => {
  const { code, err } = await sallyport(["token", "--server", "orders", "--config", config(without)]);
  expect(code).toBe(78);
  expect(err).toContain(`setting: ${part}\n`);
});

test("an address without TLS beyond this machine is refused", async () => {
  const file = config({
    issuer: { url: "http://issuer.example.com", clientId: "a", clientSecretFile: "client.secret" },
  });
  const { code, err } = await sallyport(["token", "--server", "orders", "--config", file]);
  expect(code).toBe(78);
  expect(err).toContain("cli.yaml:2:3  issuer.url: ");
});

test("a secret that others can read is refused", async () => {
  const file = config();
  chmodSync(join(folder, "client.secret"), 0o644);
  const { code, err } = await sallyport(["token", "--server", "orders", "--config", file]);
  expect(code).toBe(78);
  expect(err).toContain("has mode 0644, so others can read it");
});
