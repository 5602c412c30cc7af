import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { until } from "@sallyport/testkit";
import { describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { listening, openDoor, permitPorts, policyOf, quickLimits, speak } from "./egress.fixture.ts";
import type { EgressOptions } from "./open-egress.ts";
import { type Placeholder, placeholderValue } from "./placeholders.ts";
import type { EgressDeps } from "./session.ts";
import { selfSigned } from "./tls.fixture.ts";
import { bytesServer, client, socketServer } from "./websocket.fixture.ts";

const tls = await selfSigned("api.test");
const secret = "the-real-token-0123456789";

function bound(port: number, scheme: "http" | "https" = "http"): Placeholder {
  const at = { scheme, host: "api.test", port, pathPrefix: "/ws" } as const;
  const location = { in: "header", name: "Authorization", prefix: "Bearer " } as const;
  return { value: placeholderValue(), credential: "api-token", bindings: [{ ...at, location }] };
}

const doorTo = (
  port: number,
  { deps, ...options }: Partial<EgressOptions> & { deps?: Partial<EgressDeps> } = {},
) =>
  openDoor(
    { policy: permitPorts(port), ...options },
    {
      addresses: new Map([[`api.test:${port}`, "127.0.0.1"]]),
      upstreamCa: tls.cert,
      lease: () => Promise.resolve({ value: Buffer.from(secret) }),
      ...deps,
    },
  );

const auth = ({ value }: Placeholder) => ({ authorization: `Bearer ${value}` });
const echo = (socket: WebSocket) => socket.on("message", (data, binary) => socket.send(data, { binary }));

describe("a WebSocket", () => {
  it.each(["ws", "wss"] as const)(
    "over %s carries a credential in its handshake, and none back",
    async (scheme) => {
      const says = (socket: WebSocket) => {
        socket.send(`you are ${secret}`);
        socket.send(Buffer.from(`\0${Buffer.from(secret).toString("base64")}\0`));
        for (const [at, piece] of [secret.slice(0, 9), secret.slice(9, 10), secret.slice(10)].entries())
          socket.send(piece, { fin: at === 2 });
        socket.ping(secret);
        socket.close(1000, secret);
      };
      await using upstream = await socketServer(says, scheme === "wss" ? tls : undefined);
      const held = bound(upstream.port, scheme === "wss" ? "https" : "http");
      await using door = await doorTo(upstream.port, { placeholders: [held] });
      const { messages, pings, closed } = await client(
        door,
        `${scheme}://api.test:${upstream.port}/ws/x`,
        auth(held),
      );
      expect(await closed).toEqual({ code: 1000, reason: "" });
      expect(pings).toEqual([""]);
      expect(messages).toEqual([
        "you are [redacted:api-token]",
        Buffer.from("\0[redacted:api-token]==\0"),
        "[redacted:api-token]",
      ]);
      expect(upstream.seen[0]).toMatchObject({ authorization: `Bearer ${secret}`, connection: "upgrade" });
      // Both sides would compress: what is packed cannot be looked through.
      expect(upstream.seen[0]).not.toHaveProperty("sec-websocket-extensions");
      expect(door.records).toMatchObject([
        { outcome: "allowed", method: "GET", path: "/ws/x", credentials: ["api-token"] },
      ]);
    },
  );

  it("passes messages of any size both ways as they are", async () => {
    await using upstream = await socketServer(echo);
    await using door = await doorTo(upstream.port, { placeholders: [bound(upstream.port)] });
    const { socket, messages } = await client(door, `ws://api.test:${upstream.port}/`);
    const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 3_000_000];
    const sent = sizes.map((size) => Buffer.alloc(size, `${size}-binary \xff`, "latin1"));
    for (const message of sent) socket.send(message);
    socket.send("text, ünïcode");
    socket.send("a", { fin: false });
    socket.send("", { fin: false });
    socket.ping("between");
    socket.send("b", { fin: true });
    await until("all came back", () => messages.length === sizes.length + 2, { within: 5_000 });
    expect(messages).toEqual([...sent, "text, ünïcode", "ab"]);
    socket.terminate();
  });

  it("is cut, and nothing of it sent, where a message holds a placeholder", async () => {
    const got: string[] = [];
    await using upstream = await socketServer((socket) =>
      socket.on("message", (data) => got.push(String(data))),
    );
    const held = bound(upstream.port);
    await using door = await doorTo(upstream.port, { placeholders: [held] });
    const { socket, closed } = await client(door, `ws://api.test:${upstream.port}/ws`, auth(held));
    socket.send("before");
    socket.send(`{"token":"${held.value.slice(0, 20)}`, { fin: false });
    socket.send(`${held.value.slice(20)}"}`, { fin: true });
    expect(await closed).toMatchObject({
      code: 1008,
      reason: expect.stringContaining("bound to no message"),
    });
    await until("it is written down", () => door.records.length === 2, { within: 5_000 });
    expect(door.records[1]).toMatchObject({ outcome: "denied", code: "placeholder", path: "/ws" });
    expect(got).toEqual(["before"]);
  });

  it("ends within a second of a policy that denies it, and its client is told why", async () => {
    await using upstream = await socketServer(echo);
    await using door = await doorTo(upstream.port);
    const { messages, socket, closed } = await client(door, `ws://api.test:${upstream.port}/`);
    socket.send("hello");
    await until("it stands", () => messages.length === 1, { within: 5_000 });
    const began = performance.now();
    door.proxy.setPolicy(permitPorts(1));
    expect(await closed).toEqual({
      code: 1008,
      reason: "sallyport egress: policy: no rule allows it; a rule for this must read context.port",
    });
    expect(performance.now() - began).toBeLessThan(1000);
    expect(door.records.at(-1)).toMatchObject({ outcome: "ended", code: "policy" });
    // A client that reads nothing holds nothing open.
    door.proxy.setPolicy(permitPorts(upstream.port));
    const deaf = await client(door, `ws://api.test:${upstream.port}/`);
    deaf.socket.pause();
    door.proxy.setPolicy(permitPorts(1));
    deaf.socket.resume();
    expect(await deaf.closed).toMatchObject({ code: 1008 });
  });

  it("is allowed as GET of its path, and denied like any request", async () => {
    await using upstream = await socketServer(echo);
    const rule = `permit(principal, action == Action::"http/request", resource) when
      { context.port == ${upstream.port} && context.method == "GET" && context.scheme == "http" && context.path like "/ok*" };`;
    await using door = await doorTo(upstream.port, { policy: policyOf(`@id("a") ${rule}`) });
    const url = `ws://api.test:${upstream.port}`;
    await expect(client(door, `${url}/no`)).rejects.toThrow(/^403: sallyport egress: policy/);
    (await client(door, `${url}/ok`)).socket.terminate();
    expect(upstream.seen.length).toBe(1);
  });

  it("ends when nobody says anything, and when its time is up", async () => {
    await using upstream = await socketServer(echo);
    for (const limits of [
      { ...quickLimits, idleMs: 200 },
      { ...quickLimits, headTimeoutMs: 200, totalMs: 200 },
    ]) {
      await using door = await doorTo(upstream.port, { deps: { limits } });
      const { closed } = await client(door, `ws://api.test:${upstream.port}/`);
      expect(await closed).toMatchObject({ code: 1006 });
    }
  });

  it("is not what a token endpoint speaks, and a placeholder elsewhere refuses it", async () => {
    await using upstream = await socketServer(echo);
    const held = bound(upstream.port);
    const at = { scheme: "http", host: "api.test", port: upstream.port, pathPrefix: "/token" } as const;
    const tokenEndpoints = [{ ...at, name: "auth", issues: {} }];
    await using door = await doorTo(upstream.port, { placeholders: [held], tokenEndpoints });
    const url = `ws://api.test:${upstream.port}`;
    await expect(client(door, `${url}/token`)).rejects.toThrow("a token endpoint speaks no WebSocket");
    await expect(client(door, `${url}/x`, auth(held))).rejects.toThrow(/^403: .*placeholder of api-token/);
    expect(upstream.seen).toEqual([]);
  });

  it("passes on a server's refusal, scrubbed", async () => {
    await using upstream = await listening(
      createServer().on("upgrade", (_request, socket) =>
        socket.end(`HTTP/1.1 401 No\r\nX-Is: ${secret}\r\nContent-Length: ${secret.length}\r\n\r\n${secret}`),
      ),
    );
    const held = bound(upstream.port);
    await using door = await doorTo(upstream.port, { placeholders: [held] });
    const url = `ws://api.test:${upstream.port}/ws`;
    await expect(client(door, url, auth(held))).rejects.toThrow("401: [redacted:api-token]");
  });
});

describe("the handshake of a WebSocket", () => {
  it("is refused where it could be read in another way", async () => {
    await using upstream = await socketServer(echo);
    await using door = await doorTo(upstream.port);
    const place = `api.test:${upstream.port}`;
    const right = {
      Host: place,
      Connection: "keep-alive, Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    };
    const ask = (change: Record<string, string>, line = `GET http://${place}/ HTTP/1.1`) => {
      const headers = Object.entries({ ...right, ...change }).map(([name, value]) => `${name}: ${value}\r\n`);
      return speak(door, `${line}\r\n${headers.join("")}\r\n`, /101|x-sallyport-denied[\s\S]*\n\n?.*\n$/i);
    };
    expect(await ask({})).toMatch(/^HTTP\/1.1 101/);
    const wrong: Record<string, [Record<string, string>, string?]> = {
      "begins with GET": [{}, `POST http://${place}/ HTTP/1.1`],
      "upgrades to websocket alone": [{ Upgrade: "websocket, h2c" }],
      "version of WebSocket is 13": [{ "Sec-WebSocket-Version": "8" }],
      "Sec-WebSocket-Key is no key": [{ "Sec-WebSocket-Key": "short" }],
      "Sec-WebSocket-Key comes twice": [{ "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" }],
      "has no body": [{ "Content-Length": "3" }],
      "is not the host that": [{ Host: "other.test" }],
      "in absolute form": [{}, "GET / HTTP/1.1"],
    };
    for (const [reason, [change, line]] of Object.entries(wrong)) {
      expect(await ask(change, line), reason).toMatch(/^HTTP\/1.1 403/);
      expect(door.records.at(-1)?.reason, reason).toContain(reason);
    }
    expect(upstream.seen.length).toBe(1);
  });

  it("is refused where the server does not know the key, and cut where its frames are wrong", async () => {
    const accept = (head: string) => {
      const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? "";
      const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
      return createHash("sha1").update(`${key}${guid}`).digest("base64");
    };
    const answer = (headers: string) => `HTTP/1.1 101 X\r\nConnection: Upgrade\r\n${headers}\r\n`;
    const good = (head: string) => answer(`Upgrade: websocket\r\nSec-WebSocket-Accept: ${accept(head)}\r\n`);
    const refused: Record<string, (head: string) => string> = {
      "has not read the key": () => answer("Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n"),
      "something else": (head) => answer(`Upgrade: h2c\r\nSec-WebSocket-Accept: ${accept(head)}\r\n`),
      "nobody offered": (head) =>
        good(head).replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"),
    };
    for (const [reason, say] of Object.entries(refused)) {
      await using upstream = await bytesServer(say);
      await using door = await doorTo(upstream.port);
      await expect(client(door, `ws://api.test:${upstream.port}/`), reason).rejects.toThrow(reason);
    }
    const frames: Record<string, number[]> = {
      "compressed, though nobody agreed": [0xc1, 1, 65],
      masked: [0x81, 0x81, 1, 2, 3, 4, 5],
      "an unknown opcode": [0x83, 0],
      "a continuation of nothing": [0x80, 0],
      "a message within a message": [0x01, 1, 65, 0x81, 1, 65],
      "a ping in pieces": [0x09, 0],
      "a ping that is long": [0x89, 126, 0, 126],
      "a length in long form": [0x81, 126, 0, 1, 65],
      "a length beyond any": [0x81, 127, 255, 255, 255, 255, 255, 255, 255, 255],
      "more after its close": [0x88, 0, 0x81, 1, 65],
    };
    for (const [what, bytes] of Object.entries(frames)) {
      await using upstream = await bytesServer((head) =>
        Buffer.concat([Buffer.from(good(head)), Buffer.from(bytes)]),
      );
      await using door = await doorTo(upstream.port);
      const place = `api.test:${upstream.port}`;
      const sent = `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
      const got = await speak(door, sent); // until it is cut
      expect(got, what).toMatch(/^HTTP\/1.1 101/);
    }
  });
});
