import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readRelayAddress, relayAddressProblem, tryOrder } from "./address.ts";

describe("where a relay is", () => {
  it.each([
    ["tls://relay.example.com", { host: "relay.example.com", port: 4222, tls: true, websocket: false }],
    ["tls://relay.example.com:443", { port: 443, tls: true, websocket: false }],
    ["wss://relay.example.com", { port: 443, tls: true, websocket: true, path: "/" }],
    ["wss://relay.example.com:8443/nats", { port: 8443, path: "/nats" }],
    ["tls://[2001:db8::1]:4222", { host: "2001:db8::1", port: 4222 }],
    ["nats://127.0.0.1:4222", { host: "127.0.0.1", tls: false, websocket: false }],
    ["nats://localhost", { port: 4222, tls: false }],
    ["ws://[::1]", { host: "::1", port: 80, tls: false, websocket: true }],
  ])("%s is read", (url, expected) => {
    expect(readRelayAddress(url)).toMatchObject({ url, ...expected });
  });

  it.each([
    ["nats://relay.example.com:4222", /tls:\/\/.*without TLS/],
    ["nats://10.0.0.7:4222", /without TLS/],
    ["nats://127.1:4222", /without TLS/],
    ["nats://127.0.0.1.example.com:4222", /without TLS/],
    ["nats://localhost.example.com", /without TLS/],
    ["nats://[::ffff:10.0.0.1]:4222", /without TLS/],
    ["ws://relay.example.com", /wss:\/\/.*without TLS/],
    ["http://relay.example.com", /tls:\/\/ or wss:\/\//],
    ["relay.example.com:4222", /tls:\/\//],
    ["tls://", /host name/],
    ["tls://user:secret@relay.example.com", /without a login/],
    ["tls://relay.example.com/path", /host and port alone/],
    ["wss://relay.example.com/?token=1", /host and port alone/],
    ["tls://rel ay:4222", /a URL/],
    ["tls://relay.example.com%0d%0a:4222", /host name/],
  ])("%s is refused", (url, problem) => {
    expect(relayAddressProblem(url)).toMatch(problem);
  });

  it("is never in clear but for loopback, whatever is written", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.webUrl(), fc.string()),
        fc.constantFrom("nats", "ws", "tls", "wss"),
        (text, scheme) => {
          const address = readRelayAddress(text.replace(/^https?/, scheme));
          if ("problem" in address || address.tls) return;
          expect(address.host).toMatch(/^(localhost|127\.\d+\.\d+\.\d+|::1)$/);
        },
      ),
    );
  });
});

describe("the order of tries", () => {
  it("keeps schemes in the order they are written in, and mixes servers of one scheme", () => {
    const servers = ["tls://a", "wss://c", "tls://b", "wss://d"];
    const lots = [0.9, 0.1, 0.2, 0.8];
    expect(tryOrder(servers, () => lots.shift() ?? 0)).toEqual(["tls://b", "tls://a", "wss://c", "wss://d"]);
  });

  it("leaves no server out and adds none", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("tls://a", "tls://b", "wss://a", "wss://b")), (servers) => {
        expect(tryOrder(servers).toSorted()).toEqual(servers.toSorted());
      }),
    );
  });
});
