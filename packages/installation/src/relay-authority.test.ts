import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, rootCertificates } from "node:tls";
import { expect, test } from "vitest";
import { createRelayAuthority, renewRelayCertificate } from "./relay-authority.ts";

const made = createRelayAuthority(["relay.example.com", "localhost", "127.0.0.1"]);

test("the authority is one, for ten years; the relay's certificate is none, for two", () => {
  const years = (pem: string) => {
    const one = new X509Certificate(pem);
    return { ca: one.ca, years: Math.round((+one.validToDate - Date.now()) / (365 * 86_400_000)) };
  };
  expect(years(made.authority.certificate)).toEqual({ ca: true, years: 10 });
  expect(years(made.relay.certificate)).toEqual({ ca: false, years: 2 });
});

/** How a client that trusts this authority alone gets on with a server that shows this certificate. */
async function greet(
  server: { cert: string; key: string },
  to: { servername: string; ca: string },
): Promise<string> {
  const listening = createServer(server, (socket) => socket.end("hello"));
  listening.listen(0, "127.0.0.1");
  await once(listening, "listening");
  try {
    const { port } = listening.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1", servername: to.servername, ca: to.ca });
    return await new Promise((resolve) => {
      socket.on("data", (data) => resolve(data.toString()));
      socket.on("error", (error) => resolve(error.message));
    });
  } finally {
    listening.close();
  }
}

const relay = { cert: made.relay.certificate, key: made.relay.key };
const ca = made.authority.certificate;

test("a client that pins the authority takes the relay, under its names alone", async () => {
  expect(await greet(relay, { servername: "localhost", ca })).toBe("hello");
  expect(await greet(relay, { servername: "relay.example.com", ca })).toBe("hello");
  expect(await greet(relay, { servername: "other.example.com", ca })).toMatch(/altnames/);
});

test("another authority's certificate for the same names is not taken", async () => {
  const other = createRelayAuthority(["localhost"]);
  const shown = { cert: other.relay.certificate, key: other.relay.key };
  expect(await greet(shown, { servername: "localhost", ca })).toMatch(/signature|verif|issuer/i);
  expect(await greet(relay, { servername: "localhost", ca: rootCertificates[0] ?? "" })).toMatch(
    /issuer|verify/i,
  );
});

test("the relay's certificate is renewed by the same authority, and never outlives it", async () => {
  const hosts = ["localhost"];
  const again = renewRelayCertificate(made.authority, hosts);
  expect(again.key).not.toBe(made.relay.key);
  const shown = { cert: again.certificate, key: again.key };
  expect(await greet(shown, { servername: "localhost", ca })).toBe("hello");
  const end = new X509Certificate(ca).validToDate;
  const late = renewRelayCertificate(made.authority, hosts, new Date(+end - 100.5 * 86_400_000));
  const left = +end - +new X509Certificate(late.certificate).validToDate;
  expect(left).toBeGreaterThanOrEqual(0);
  expect(left).toBeLessThan(86_400_000);
  expect(() => renewRelayCertificate(made.authority, hosts, end)).toThrow("come to its end");
  const other = { certificate: ca, key: createRelayAuthority(hosts).authority.key };
  expect(() => renewRelayCertificate(other, hosts)).toThrow("the key is another's");
});
