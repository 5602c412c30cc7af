import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { trace } from "@opentelemetry/api";
import { afterEach, expect, test, vi } from "vitest";
import { vaultClient } from "./client.ts";

const closing: (() => void)[] = [];
afterEach(() => {
  vi.unstubAllEnvs();
  for (const close of closing.splice(0)) close();
});

/** A Vault that misbehaves in ways a real one cannot be made to. */
async function badVault(answer: (ask: IncomingMessage, reply: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await new Promise<void>((resolve) => server.once("listening", () => resolve()));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
function clientOf(address: string) {
  const client = vaultClient({ address }, trace.getTracer("test"));
  closing.push(() => client.close());
  return client;
}
const ask = (token?: string) => ({
  ...{ method: "read" as const, path: "secret/data/apps/crm", signal: AbortSignal.timeout(2_000) },
  ...(token === undefined ? {} : { token }),
});

test("a redirect is not followed, so the token goes to nobody else", async () => {
  let reached = 0;
  const thief = await badVault((_, reply) => {
    reached += 1;
    reply.end("{}");
  });
  const address = await badVault((_, reply) => {
    reply.writeHead(307, { location: `${thief}/v1/secret/data/apps/crm` }).end();
  });
  await expect(clientOf(address).ask(ask("token-1"))).rejects.toMatchObject({ problem: "faulty" });
  expect(reached).toBe(0);
});

test("an endless answer is cut off", async () => {
  const address = await badVault((_, reply) => {
    const more = () => {
      while (!reply.destroyed && reply.write("x".repeat(65_536)));
    };
    reply.on("drain", more).on("error", () => {});
    more();
  });
  await expect(clientOf(address).ask(ask())).rejects.toMatchObject({ problem: "away" });
});

test("an answer that is no Vault's is `faulty`, and nothing of it is in the error", async () => {
  const address = await badVault((_, reply) => {
    reply.end(JSON.stringify({ lease_id: 7, data: { token: "hunter2-secret" } }));
  });
  const thrown = await clientOf(address)
    .ask(ask())
    .catch((error: unknown) => error);
  expect(thrown).toMatchObject({ problem: "faulty" });
  expect(JSON.stringify(thrown, Object.getOwnPropertyNames(thrown))).not.toContain("hunter2");
});

test("settings in the environment that nobody reviewed change nothing", async () => {
  const seen: IncomingMessage[] = [];
  const address = await badVault((incoming, reply) => {
    seen.push(incoming);
    reply.end("{}");
  });
  vi.stubEnv("VAULT_TOKEN", "token-of-the-environment");
  vi.stubEnv("VAULT_NAMESPACE", "elsewhere");
  vi.stubEnv("VAULT_PREFIX", "/elsewhere");
  vi.stubEnv("HTTP_PROXY", "http://127.0.0.1:1");
  await clientOf(address).ask(ask());
  expect(seen[0]?.url).toBe("/v1/secret/data/apps/crm");
  expect(seen[0]?.headers).not.toHaveProperty("x-vault-token");
  expect(seen[0]?.headers).not.toHaveProperty("x-vault-namespace");
});
