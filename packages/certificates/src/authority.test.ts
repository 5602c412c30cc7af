import { generateKeyPairSync } from "node:crypto";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:tls";
import { expect, test } from "vitest";
import { createAuthority } from "./authority.ts";

/** What a client that trusts the authority alone makes of a server with such a certificate; "" where it takes it. */
async function seen(of: { permitted: readonly string[]; host: string; now?: Date }): Promise<string> {
  const { permitted, host, now } = of;
  const authority = createAuthority(permitted, { name: "A", days: 30, ...(now ? { now } : {}) });
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const cert = authority.issue({ name: "S", publicKey, hosts: [host], days: 30 });
  const key = privateKey.export({ type: "pkcs8", format: "pem" });
  const server = createServer({ cert, key });
  server.on("tlsClientError", () => undefined);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const named = /^[\d.]+$/.test(host) ? {} : { servername: host };
  try {
    return await new Promise((resolve) => {
      const socket = connect({ port, host: "127.0.0.1", ca: authority.certificate, ...named });
      const done = (what: string) => {
        socket.destroy();
        resolve(what);
      };
      socket.on("secureConnect", () => done(""));
      socket.on("error", (error) => done(error.message));
    });
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test.each([
  [["a.example"], "a.example"],
  [["127.0.0.1"], "127.0.0.1"],
  [["a.example", "127.0.0.1"], "127.0.0.1"],
])("made for %j, it vouches for %s", async (permitted, host) => {
  expect(await seen({ permitted, host })).toBe("");
});

test.each([
  [["a.example"], "b.example"],
  [["10.0.0.1"], "127.0.0.1"],
])("made for %j, it is not believed about %s", async (permitted, host) => {
  expect(await seen({ permitted, host })).toBe("permitted subtree violation");
});

test("it is believed for its days and no longer", async () => {
  const now = new Date(Date.now() - 31 * 86_400_000);
  expect(await seen({ permitted: ["a.example"], host: "a.example", now })).toBe("certificate has expired");
});
