import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificateAuthority } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { issuerKeys } from "./issuer-keys.ts";

let folder: string;
let server: Server;
let jwksUrl: string;
let ca: { issuer: string; other: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "issuer-keys-"));
  const [mine, other] = await Promise.all(
    ["issuer", "other"].map((name) => makeCertificateAuthority(join(folder, name))),
  );
  const { certFile, keyFile } = (await mine?.issue(["127.0.0.1"])) ?? { certFile: "", keyFile: "" };
  ca = { issuer: mine?.caFile ?? "", other: other?.caFile ?? "" };
  const { publicKey } = generateKeyPairSync("ed25519");
  const keys = JSON.stringify({
    keys: [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "EdDSA" }],
  });
  const files = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  server = createServer(files, (_request, response) => response.end(keys));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  jwksUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

test("keys come from a URL whose certificate the named authority signed", async () => {
  const keys = issuerKeys({ jwksUrl, caFile: ca.issuer }, () => undefined);
  expect(await keys.keyFor({ alg: "EdDSA", kid: "one" })).toBeDefined();
});

test.each([
  ["the system's authorities alone", undefined],
  ["another authority", "other" as const],
])("with %s there are none, and why is told", async (_what, authority) => {
  const faults: unknown[] = [];
  const caFile = authority && ca[authority];
  const keys = issuerKeys({ jwksUrl, caFile }, (fault) => faults.push(fault));
  await expect(keys.keyFor({ alg: "EdDSA", kid: "one" })).rejects.toMatchObject({ code: "keys-unavailable" });
  expect(String((faults[0] as Error).cause)).toMatch(/certificate/);
});
