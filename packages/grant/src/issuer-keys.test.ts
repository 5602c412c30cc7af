import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { issuerKeys } from "./issuer-keys.ts";

let folder: string;
let server: Server;
let jwksUrl: string;
const own = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "issuer-keys-"));
  for (const name of ["issuer", "other"])
    execFileSync(
      "openssl",
      [
        ...[
          "req",
          "-x509",
          "-newkey",
          "ec",
          "-pkeyopt",
          "ec_paramgen_curve:prime256v1",
          "-nodes",
          "-days",
          "2",
        ],
        ...["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
        ...["-keyout", own(`${name}.key`), "-out", own(`${name}.crt`)],
      ],
      { stdio: "ignore" },
    );
  const { publicKey } = generateKeyPairSync("ed25519");
  const keys = JSON.stringify({
    keys: [{ ...publicKey.export({ format: "jwk" }), kid: "one", alg: "EdDSA" }],
  });
  const files = { cert: readFileSync(own("issuer.crt")), key: readFileSync(own("issuer.key")) };
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
  const keys = issuerKeys({ jwksUrl, caFile: own("issuer.crt") }, () => undefined);
  expect(await keys.keyFor({ alg: "EdDSA", kid: "one" })).toBeDefined();
});

test.each([
  ["the system's authorities alone", undefined],
  ["another authority", "other.crt"],
])("with %s there are none, and why is told", async (_what, ca) => {
  const faults: unknown[] = [];
  const caFile = ca === undefined ? undefined : own(ca);
  const keys = issuerKeys({ jwksUrl, caFile }, (fault) => faults.push(fault));
  await expect(keys.keyFor({ alg: "EdDSA", kid: "one" })).rejects.toMatchObject({ code: "keys-unavailable" });
  expect(String((faults[0] as Error).cause)).toMatch(/certificate/);
});
