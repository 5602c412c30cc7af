import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { createRelayAuthority } from "@sallyport/installation";
import { findTool } from "@sallyport/testkit";
import { expect, test } from "vitest";
import { accountsConfig, serverConfig } from "./server-config.ts";
import { createTrust } from "./trust.ts";

const jetstream = { dir: "/data/jetstream", syncAlways: true, maxBytes: 1024 ** 3 };

test("a server trusts this operator, knows both accounts, and syncs each write where it is alone", async () => {
  const trust = await createTrust({ name: "t" });
  const text = serverConfig(trust, { jetstream, listen: "127.0.0.1:4222" });
  expect(text).toContain(`operator: "${trust.documents.operator}"`);
  expect(text).toContain(`system_account: "${trust.documents.systemAccount.id}"`);
  const { sallyport } = trust.documents.accounts;
  expect(text).toContain(`${sallyport?.id}: "${sallyport?.jwt}"`);
  expect(text).toContain("sync_interval: always");
  expect(serverConfig(trust, { jetstream: { ...jetstream, syncAlways: false } })).not.toContain(
    "sync_interval",
  );
});

/** The relay's certificate, as files: nats-server reads them even to check a configuration. */
function certificateIn(folder: string): { certFile: string; keyFile: string } {
  const tls = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };
  const { relay } = createRelayAuthority(["localhost"]);
  writeFileSync(tls.certFile, relay.certificate);
  writeFileSync(tls.keyFile, relay.key, { mode: 0o600 });
  return tls;
}

test("nats-server takes it with everything: TLS, a pinned authority, WebSocket, accounts in a file of their own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "infra-nats-config-"));
  try {
    const trust = await createTrust({ name: "t", tenants: ["acme", "other"] });
    const tls = certificateIn(folder);
    const config = serverConfig(trust, {
      ...{ jetstream, listen: "0.0.0.0:4222", tls: { ...tls, caFile: tls.certFile } },
      websocket: { listen: "0.0.0.0:443", tls },
      resolver: { dir: join(folder, "accounts") },
      accountsFile: "accounts.conf",
    });
    const file = join(folder, "nats-server.conf");
    writeFileSync(file, config);
    writeFileSync(join(folder, "accounts.conf"), accountsConfig(trust));
    const check = async () =>
      execFileSync(await findTool("nats-server"), ["-t", "-c", file], { stdio: "pipe" });
    await check();
    writeFileSync(file, config.replace("websocket {", "websocket {\n  no_such_setting: 1"));
    await expect(check()).rejects.toThrow(/no_such_setting/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("with a CA, clients must show a certificate", async () => {
  const trust = await createTrust({ name: "t" });
  const tls = { certFile: "/tls/cert.pem", keyFile: "/tls/key.pem" };
  expect(serverConfig(trust, { jetstream, tls: { ...tls, caFile: "/tls/ca.pem" } })).toContain(
    "verify: true",
  );
  expect(serverConfig(trust, { jetstream, tls })).not.toContain("verify");
});

test.each(['/a"\nauthorization { }', "/a\\b", "/a\nb", "/a\0"])(
  "a folder named %j is refused, not quoted",
  async (dir) => {
    const trust = await createTrust({ name: "t" });
    expect(() => serverConfig(trust, { jetstream: { ...jetstream, dir } })).toThrow(/cannot stand/);
  },
);

test.each([0, -1, Number.NaN, 1.5])("a store of %j bytes is refused", async (maxBytes) => {
  const trust = await createTrust({ name: "t" });
  expect(() => serverConfig(trust, { jetstream: { ...jetstream, maxBytes } })).toThrow(/maxBytes/);
});

test("the configuration and the trust, however shown, hold no seed", async () => {
  const trust = await createTrust({ name: "t" });
  const shown = [
    inspect(trust, { depth: 9, showHidden: true }),
    JSON.stringify(trust),
    serverConfig(trust, { jetstream }),
  ].join("\n");
  const dense = shown.replaceAll(/\s/g, "");
  for (const seed of [
    trust.seeds().operator,
    trust.seeds().systemAccount,
    ...Object.values(trust.seeds().accounts),
  ]) {
    const bytes = [...seed.subarray(8, 16)];
    expect(shown).not.toContain(Buffer.from(seed).toString());
    expect(dense).not.toContain(bytes.join(","));
    expect(dense).not.toContain(bytes.map((byte, index) => `"${index + 8}":${byte}`).join(","));
  }
});
