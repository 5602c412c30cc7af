import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "@sallyport/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { brokerConfig, loadRules } from "./config.ts";

let folder: string;
const write = (name: string, content: string) => {
  writeFileSync(join(folder, name), content, { mode: 0o600 });
  return join(folder, name);
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "broker-config-"));
  for (const secret of ["role-id", "secret-id", "wrapped", "broker.creds"]) write(secret, "x");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const auth = { method: "approle", roleId: "role-id", secretId: "secret-id" };
const settings = {
  tenant: "acme",
  nats: { servers: ["tls://nats.example:4222"], creds: "broker.creds" },
  vault: { address: "https://vault.example:8200", auth: auth as object },
  edges: { "edge-1": "edge-1.pub.pem" } as object,
  enrolments: "enrolments",
  credentials: { crm: { kind: "kv", path: "apps/crm", field: "token" } } as Record<string, object>,
  rules: "rules.yaml",
};
const load = (more: Partial<typeof settings> = {}) =>
  loadConfig(brokerConfig, { file: write("broker.yaml", JSON.stringify({ ...settings, ...more })), env: {} });
const withAuth = (more: object) => load({ vault: { ...settings.vault, auth: { ...auth, ...more } } });

const rule = { id: "crm", credential: "crm", servers: ["crm"], agents: "*", maxTtlSeconds: 60 };
const loadTheRules = (rules: object[]) => {
  write("rules.yaml", JSON.stringify({ rules }));
  return loadRules(load());
};

test("settings that fit are taken, with Vault's usual mounts", () => {
  expect(load().credentials.crm).toMatchObject({ kind: "kv", mount: "secret", refresh: 300_000 });
  expect(load().vault.auth.mount).toBe("approle");
});

test("http to Vault is refused beyond loopback, also where the host only looks like it", () => {
  const at = (address: string) => () => load({ vault: { ...settings.vault, address } });
  expect(at("http://vault.example:8200")).toThrow(/in clear/);
  expect(at("http://127.0.0.1.evil.example")).toThrow(/in clear/);
  expect(at("http://127.0.0.1:8200")).not.toThrow();
});

test("both kinds of secret_id at once, or none, are refused", () => {
  expect(() => withAuth({ secretIdWrapped: "wrapped" })).toThrow(/one of secretId and secretIdWrapped/);
  expect(() =>
    load({ vault: { ...settings.vault, auth: { method: "approle", roleId: "role-id" } } }),
  ).toThrow(/one of secretId and secretIdWrapped/);
});

test("a path that would lead elsewhere in Vault is refused", () => {
  for (const path of [
    "../sys/policies",
    "apps/../../x",
    "apps//crm",
    "/apps",
    "apps/crm?list=true",
    "apps/%2e%2e/x",
  ]) {
    expect(() => load({ credentials: { crm: { kind: "kv", path, field: "token" } } })).toThrow(/credentials/);
  }
});

test("no edge, no credential or an unknown setting is refused", () => {
  expect(() => load({ edges: {} })).toThrow(/edge/);
  expect(() => load({ credentials: {} })).toThrow(/credential/);
  expect(() => load({ trustEverybody: true } as object)).toThrow(/trustEverybody/);
});

test("rules that are empty, or do not fit the credentials, stop the boot", () => {
  expect(loadTheRules([rule])).toHaveLength(1);
  expect(() => loadTheRules([])).toThrow(/at least 1 entries/);
  expect(() => loadTheRules([{ ...rule, credential: "typo" }])).toThrow(/credential typo/);
  expect(() => loadTheRules([rule, { ...rule, id: "other", credential: "typo" }])).toThrow(/credential typo/);
});
