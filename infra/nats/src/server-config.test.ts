import { inspect } from "node:util";
import { expect, test } from "vitest";
import { serverConfig } from "./server-config.ts";
import { createTrust } from "./trust.ts";

const jetstream = { dir: "/data/jetstream", syncAlways: true, maxBytes: 1024 ** 3 };

test("a server trusts this operator, knows both accounts, and syncs each write where it is alone", async () => {
  const trust = await createTrust({ name: "t" });
  const text = serverConfig(trust, { jetstream, listen: "127.0.0.1:4222" });
  expect(text).toContain(`operator: "${trust.documents.operator}"`);
  expect(text).toContain(`system_account: "${trust.documents.systemAccount.id}"`);
  expect(text).toContain(`${trust.documents.account.id}: "${trust.documents.account.jwt}"`);
  expect(text).toContain("sync_interval: always");
  expect(serverConfig(trust, { jetstream: { ...jetstream, syncAlways: false } })).not.toContain(
    "sync_interval",
  );
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
  for (const seed of Object.values(trust.seeds())) {
    const bytes = [...seed.subarray(8, 16)];
    expect(shown).not.toContain(Buffer.from(seed).toString());
    expect(dense).not.toContain(bytes.join(","));
    expect(dense).not.toContain(bytes.map((byte, index) => `"${index + 8}":${byte}`).join(","));
  }
});
