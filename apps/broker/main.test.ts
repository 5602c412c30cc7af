import { generateKeyPairSync } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { type Server, startServer, until } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack, tenant, testConnector } from "./src/broker.fixture.ts";

let stack: Stack;
let broker: Server;

beforeAll(async () => {
  stack = await startStack();
  const publicKey = stack.edgeKey.publicKey.export({ format: "pem", type: "spki" }) as string;
  await writeFile(join(stack.folder, "e1.pub.pem"), publicKey);
  const rule = { servers: ["orders"], agents: ["billing-*"], maxTtlSeconds: 600 };
  const rules = [{ id: "orders", credential: "orders-db", ...rule }];
  await writeFile(join(stack.folder, "rules.yaml"), JSON.stringify({ rules }));
  const config = {
    instance: "b1",
    health: { socket: "b.sock" },
    tenant,
    nats: { servers: [stack.nats.url], creds: await stack.credsFile({ zone: "broker", instance: "b1" }) },
    vault: {
      address: stack.vault.bao.url,
      auth: { method: "approle", roleId: stack.vault.roleIdFile, secretId: stack.vault.secretIdFile },
    },
    edges: { e1: "e1.pub.pem" },
    enrolments: "enrolments",
    credentials: { "orders-db": { kind: "database", role: "kept" } },
    rules: "rules.yaml",
  };
  await writeFile(join(stack.folder, "broker.yaml"), JSON.stringify(config));
  broker = await startServer({
    name: "broker",
    command: process.execPath,
    args: [join(import.meta.dirname, "main.ts"), "--config", join(stack.folder, "broker.yaml")],
    folder: stack.folder,
    temporary: false,
    ready: async () => ((await readiness(join(stack.folder, "b.sock"))).status === 200 ? true : undefined),
  });
});
afterAll(async () => {
  await broker.stop();
  await stack.close();
});

function readiness(socketPath: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path: "/readyz", timeout: 2_000 }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk;
      });
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    asked.on("error", reject).end();
  });
}

test("a broker that is killed and started again renews the leases it made, and says when Vault is away", async () => {
  const c1 = testConnector(stack, await stack.join({ zone: "connector", instance: "c1" }));
  const lease = await c1.lease({ credential: "orders-db", session: "session-1" });
  const { username = "", value } = await lease.open();
  await broker.kill("SIGKILL");
  await broker.restart();
  await c1.claim(["session-1"]);
  const [lease_id] = await vaultLeaseIds();
  const lastRenewal = async () => {
    const { data } = await stack.vault.admin("POST", "sys/leases/lookup", { lease_id });
    return (data as { last_renewal: string | null }).last_renewal ?? undefined;
  };
  await until("a renewal by the second process", lastRenewal, { within: 15_000, every: 250 });
  expect(await stack.databaseUsers()).toEqual([username]);

  await stack.vault.bao.seal();
  await expect(c1.lease({ credential: "orders-db", session: "session-2" })).rejects.toMatchObject({
    code: "unavailable",
  });
  const report = await readiness(join(stack.folder, "b.sock"));
  expect(report.status).toBe(503);
  expect(report.text).toMatch(/vault/);
  await stack.vault.bao.unseal();
  await until("readiness", async () => (await readiness(join(stack.folder, "b.sock"))).status === 200, {
    within: 5_000,
  });

  expect(await c1.release("session-1")).toEqual({ released: 1 });
  expect(await stack.databaseUsers()).toEqual([]);
  const log = await readFile(join(stack.folder, "broker.log"), "utf8");
  expect(log).toContain("ready");
  expect(log).not.toContain(value);
});

test("a broker looks at a grant's signature by itself, whatever the connector that shows it has looked at", async () => {
  const c1 = testConnector(stack, await stack.join({ zone: "connector", instance: "c1" }));
  const { privateKey } = generateKeyPairSync("ed25519");
  const [header, , signature] = (await stack.grant({ agent: "billing-other" })).split(".");
  const claims = (await stack.grant()).split(".")[1];
  for (const grant of [
    await stack.grant({}, privateKey),
    await stack.grant({ edge: "e2" }, privateKey),
    [header, claims, signature].join("."),
    [header, claims, ""].join("."),
    [Buffer.from('{"alg":"none","kid":"e1","typ":"txntoken+jwt"}').toString("base64url"), claims, ""].join(
      ".",
    ),
  ]) {
    const asked = c1.lease({ credential: "orders-db", session: "session-3", grant });
    await expect(asked).rejects.toMatchObject({ code: "unauthenticated" });
  }
  const good = await c1.lease({ credential: "orders-db", session: "session-3", grant: await stack.grant() });
  expect(await stack.databaseUsers()).toEqual([(await good.open()).username]);
  expect(await c1.release("session-3")).toEqual({ released: 1 });
});

async function vaultLeaseIds(): Promise<string[]> {
  const { data } = await stack.vault.admin("GET", "sys/leases/lookup/database/creds/kept?list=true");
  return (data as { keys: string[] }).keys.map((key) => `database/creds/kept/${key}`);
}
