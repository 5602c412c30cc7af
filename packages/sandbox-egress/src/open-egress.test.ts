import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { connect, createServer as createTcp } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { until } from "@sallyport/testkit";
import { ProxyAgent, fetch as undiciFetch } from "undici";
import { describe, expect, it } from "vitest";
import { helloOf } from "./client-hello.fixture.ts";
import {
  curl,
  listening,
  openDoor,
  permitPorts,
  policyOf,
  quickLimits,
  run,
  speak,
} from "./egress.fixture.ts";
import { selfSigned } from "./tls.fixture.ts";

const tls = await selfSigned("api.test", "other.test");

/** Says back what it was asked. */
const echo = () =>
  listening(
    createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += String(chunk);
      response.setHeader("connection", "x-hop").setHeader("x-hop", "1");
      response.end(
        JSON.stringify({ method: request.method, url: request.url, headers: request.headers, body }),
      );
    }),
  );
const secureEcho = () =>
  listening(createHttps(tls, (request, response) => response.end(`tls ${request.url}`)));
const at = (...places: string[]) => new Map(places.map((place) => [place, "127.0.0.1"]));
const nothing = policyOf(
  '@id("none") permit(principal, action == Action::"http/request", resource == Host::"x");',
);

describe("the door of a sandbox", () => {
  it("lets an allowed request through, and records it first", async () => {
    await using upstream = await echo();
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const { out } = await curl(door, "-d", "hello", `http://${place}/v1/x?q=1`);
    const seen = JSON.parse(out);
    expect(seen).toMatchObject({ method: "POST", url: "/v1/x?q=1", body: "hello", headers: { host: place } });
    expect(Object.keys(seen.headers).filter((name) => name.startsWith("proxy-"))).toEqual([]);
    expect(door.records).toEqual([
      {
        sandbox: "sbx-1",
        agent: "bob",
        outcome: "allowed",
        ruleId: "ports",
        method: "POST",
        scheme: "http",
        host: "api.test",
        port: upstream.port,
        path: "/v1/x",
      },
    ]);
  });

  it("streams bodies in chunks both ways, and keeps the connection for the next request", async () => {
    await using upstream = await echo();
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const big = "x".repeat(300_000);
    const request = `POST http://${place}/ HTTP/1.1\r\nHost: ${place}\r\nTransfer-Encoding: chunked\r\n\r\n${big.length.toString(16)}\r\n${big}\r\n0\r\n\r\n`;
    expect(await speak(door, request, /"body":"x{300000}"/)).toContain("HTTP/1.1 200");
    const { out } = await curl(door, `http://${place}/a`, `http://${place}/b`);
    expect(out).toContain('"url":"/a"');
    expect(out).toContain('"url":"/b"');
    expect(upstream.count()).toBe(1);
  });

  it("tells the agent why not, by rule, as text or JSON, and asks nobody", async () => {
    await using upstream = await echo();
    const place = `api.test:${upstream.port}`;
    const policy = policyOf(
      `@id("read-only") @reason("this host is for reading") forbid(principal, action == Action::"http/request", resource) when { context.method == "POST" && context.port == ${upstream.port} };`,
    );
    await using door = await openDoor({ policy }, { addresses: at(place) });
    const text = await curl(door, "-i", "-d", "x", `http://${place}/`);
    expect(text.out).toContain("403");
    expect(text.out).toContain("this host is for reading (rule read-only)");
    const json = await curl(door, "-H", "Accept: application/json", "-d", "x", `http://${place}/`);
    expect(JSON.parse(json.out)).toEqual({
      error: { code: "policy", reason: "this host is for reading", rule: "read-only" },
    });
    const tunnel = await curl(door, `https://${place}/`);
    expect(tunnel.code).not.toBe(0);
    expect(tunnel.err).toContain("403");
    expect(upstream.count()).toBe(0);
    expect(door.records.map(({ outcome, code, ruleId }) => [outcome, code, ruleId])).toEqual([
      ["denied", "policy", "read-only"],
      ["denied", "policy", "read-only"],
      ["denied", "policy", undefined],
    ]);
  });

  it("sends nothing that cannot be recorded", async () => {
    await using upstream = await echo();
    const place = `api.test:${upstream.port}`;
    const record = () => Promise.reject(new Error("the log is full"));
    await using door = await openDoor(
      { policy: permitPorts(upstream.port) },
      { addresses: at(place), record },
    );
    expect((await curl(door, "-i", `http://${place}/`)).out).toContain("503");
    expect((await curl(door, `https://${place}/`)).err).toContain("503");
    expect(upstream.count()).toBe(0);
  });

  it("passes TLS to the host that was asked for, end to end", async () => {
    await using upstream = await secureEcho();
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const agent = new ProxyAgent({ uri: door.url, requestTls: { ca: tls.cert } });
    const answer = await undiciFetch(`https://${place}/node`, { dispatcher: agent });
    expect(await answer.text()).toBe("tls /node");
    await agent.close();
    const python = `import urllib.request,ssl;c=ssl.create_default_context();c.check_hostname=False;c.verify_mode=ssl.CERT_NONE
print(urllib.request.build_opener(urllib.request.ProxyHandler({"https":"${door.url}"}),urllib.request.HTTPSHandler(context=c)).open("https://${place}/python").read().decode())`;
    expect(await run("python3", ["-c", python], { HOME: process.env.HOME })).toMatchObject({
      out: "tls /python\n",
    });
    expect((await curl(door, "-k", `https://${place}/curl`)).out).toBe("tls /curl");
    expect(door.records[0]).toMatchObject({
      outcome: "allowed",
      method: "CONNECT",
      scheme: "https",
      path: "",
    });
  });

  it("refuses TLS for another host than the tunnel's, or for none", async () => {
    await using upstream = await secureEcho();
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const connect = `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`;
    for (const options of [{ servername: "other.test" }, { host: "127.0.0.1" }]) {
      const hello = await helloOf(options);
      const got = await speak(door, Buffer.concat([Buffer.from(connect), hello]));
      expect(got).toBe("HTTP/1.1 200 Connection Established\r\n\r\n\x15\x03\x03\0\x02\x02\x31");
    }
    expect(door.records.filter(({ code }) => code === "tls")).toHaveLength(2);
  });

  it("refuses a hello that dribbles in: each piece would be read with all before it", async () => {
    await using upstream = await secureEcho();
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const hello = await helloOf({ servername: "api.test", ALPNProtocols: Array(20).fill("x".repeat(50)) });
    const socket = connect(door.socketPath).on("error", () => {});
    await using _ = { [Symbol.asyncDispose]: async () => void socket.destroy() };
    let got = "";
    socket.on("data", (piece: Buffer) => (got += piece.toString("latin1")));
    socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
    await until("the tunnel stands", () => got.endsWith("\r\n\r\n"), { within: 5_000 });
    for (const byte of hello) {
      if (door.records.length > 1) break; // the proxy has said no: another byte would meet a closed door
      socket.write(Uint8Array.of(byte));
      await turn(); // a look at each socket: what was written is read by itself
    }
    await until("it is cut", () => socket.destroyed, { within: 4_000 });
    expect(got).toMatch(/\x15\x03\x03\0\x02\x02\x31$/);
    expect(door.records.at(-1)).toMatchObject({
      code: "tls",
      reason: expect.stringContaining("no TLS came"),
    });
  });

  it("refuses in a tunnel what is not TLS, a tunnel in a tunnel too, unless a rule names it", async () => {
    await using upstream = await listening(createTcp((socket) => socket.end("raw")));
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const head = `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`;
    for (const inner of ["SSH-2.0-x\r\n", "GET / HTTP/1.1\r\n\r\n", head])
      expect(await speak(door, head + inner)).not.toContain("raw");
    expect(door.records.filter(({ code }) => code === "tls")).toHaveLength(3);
    door.proxy.setPolicy(
      policyOf(
        `@id("raw") permit(principal, action == Action::"http/request", resource) when { context.tls == false && context.port == ${upstream.port} };`,
      ),
    );
    expect(await speak(door, `${head}SSH-2.0-x\r\n`)).toContain("raw");
    expect(door.records.at(-1)).toMatchObject({ outcome: "allowed", ruleId: "raw", scheme: "tcp" });
  });

  it("a new policy ends what it denies, within a second, and nothing else", async () => {
    await using upstream = await secureEcho();
    const [one, two] = [`api.test:${upstream.port}`, `other.test:${upstream.port}`];
    const both = permitPorts(upstream.port);
    await using door = await openDoor({ policy: both }, { addresses: at(one, two) });
    const tunnelTo = async (place: string) => {
      const socket = connect(door.socketPath);
      socket.on("error", () => {});
      const hello = await helloOf({ servername: place.split(":")[0] ?? "" });
      socket.write(`CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
      socket.write(hello);
      let got = 0;
      socket.on("data", (chunk: Buffer) => (got += chunk.length));
      await until("the server's hello", () => got > 500, { within: 5000 });
      return socket;
    };
    const [kept, cut] = [await tunnelTo(one), await tunnelTo(two)];
    door.proxy.setPolicy(
      policyOf(
        `@id("one") permit(principal, action == Action::"http/request", resource == Host::"api.test") when { context.port == ${upstream.port} };`,
      ),
    );
    const started = performance.now();
    await until("the denied tunnel to end", () => cut.destroyed, { within: 5000 });
    expect(performance.now() - started).toBeLessThan(1000);
    expect(kept.destroyed).toBe(false);
    expect(door.records.at(-1)).toMatchObject({ outcome: "ended", host: "other.test" });
    kept.destroy();
  });

  it("a new policy ends a request that waits for its answer, and says so", async () => {
    await using upstream = await listening(createServer(() => {}));
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const waiting = curl(door, `http://${place}/`);
    await until("the request to arrive", () => upstream.count() > 0, { within: 5000 });
    door.proxy.setPolicy(nothing);
    expect((await waiting).out).toContain("no rule allows it");
  });

  it("refuses requests with two readings, and says so in the record", async () => {
    await using upstream = await echo();
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const post = `POST http://${place}/ HTTP/1.1\r\nHost: ${place}\r\n`;
    const attacks = [
      `${post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      `${post}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`,
      `${post}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n`,
      `${post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
      `${post}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
      `${post}X: a\r\n b\r\nContent_Length: 4\r\n\r\n`,
      `GET http://${place}/ HTTP/1.1\r\nHost: other.test\r\n\r\n`,
      `GET http://${place}/ HTTP/1.1\r\n\r\n`,
      `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\nHost: ${place}\r\n\r\n`,
      `GET / HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `GET http://bob@${place}/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `GET http://api.test.:${upstream.port}/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `GET http://${place}/a/../b HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `TRACE http://${place}/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\nX: \0\r\n\r\n`,
      `GET http://${place}\0.evil.test/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
      `CONNECT ${place} HTTP/1.1\r\nHost: other.test:443\r\n\r\n`,
      `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\nContent-Length: 3\r\n\r\n`,
      `CONNECT api.test HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `CONNECT bob@${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
      `CONNECT 0x7f000001:${upstream.port} HTTP/1.1\r\nHost: ${place}\r\n\r\n`,
    ];
    for (const attack of attacks) {
      const before = door.records.length;
      expect(await speak(door, attack), attack).toMatch(/^HTTP\/1\.1 403 [\s\S]*ambiguous/);
      expect(door.records.slice(before), attack).toMatchObject([{ outcome: "denied", code: "ambiguous" }]);
    }
    expect(upstream.count()).toBe(0);
  });

  it("dials no address that sandboxes may not reach, and says so in answer and record", async () => {
    await using upstream = await echo();
    const policy = permitPorts(upstream.port);
    await using door = await openDoor({ policy }, { resolver: () => Promise.resolve(["127.0.0.1"]) });
    for (const host of ["127.0.0.1", "rebind.test"]) {
      const place = `${host}:${upstream.port}`;
      expect((await curl(door, "-i", `http://${place}/`)).out).toMatch(/403[\s\S]*address/);
      expect((await curl(door, `https://${place}/`)).err).toContain("403");
      expect(door.records.slice(-2).map(({ code }) => code)).toEqual([undefined, "address"]);
    }
    expect(upstream.count()).toBe(0);
  });

  it("follows no redirect: the next request is judged anew", async () => {
    await using upstream = await listening(
      createServer((_request, response) =>
        response.writeHead(302, { location: "http://127.0.0.1:9/" }).end(),
      ),
    );
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const { out } = await curl(door, "-L", "-i", `http://${place}/`);
    expect(out).toMatch(/302 Found[\s\S]*403 /);
  });

  it("waits for no answer after one that changes the protocol, which nobody asked for", async () => {
    const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    await using upstream = await listening(
      createTcp((socket) => socket.once("data", () => socket.write(answer))),
    );
    const place = `api.test:${upstream.port}`;
    await using door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const { out } = await curl(
      door,
      "-i",
      "-H",
      "Upgrade: x",
      "-H",
      "Connection: upgrade",
      `http://${place}/`,
    );
    expect(out).toMatch(/502[\s\S]*broke the connection/);
  });

  it("bounds heads, connections and silence", async () => {
    await using upstream = await listening(createServer(() => {}));
    const place = `api.test:${upstream.port}`;
    const limits = { ...quickLimits, connections: 2, idleMs: 300, headTimeoutMs: 300 };
    await using door = await openDoor(
      { policy: permitPorts(upstream.port) },
      { addresses: at(place), limits },
    );
    const head = `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\n`;
    expect(await speak(door, `${head}X: ${"x".repeat(20_000)}\r\n\r\n`)).toContain("403");
    expect(await speak(door, `${head}\r\n`)).toContain("504");
    // A tunnel in which nothing comes
    expect(await speak(door, `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`)).toContain("200");
    const idle = [connect(door.socketPath), connect(door.socketPath)];
    for (const socket of idle) socket.on("error", () => {});
    await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    expect(await speak(door, `${head}\r\n`)).toBe("");
    for (const socket of idle) socket.destroy();
  });

  it("takes its socket and all that is open with it when it closes", async () => {
    await using upstream = await listening(createServer(() => {}));
    const place = `api.test:${upstream.port}`;
    const door = await openDoor({ policy: permitPorts(upstream.port) }, { addresses: at(place) });
    const waiting = speak(door, `GET http://${place}/ HTTP/1.1\r\nHost: ${place}\r\n\r\n`);
    await until("the request to arrive", () => upstream.count() > 0, { within: 5000 });
    await door[Symbol.asyncDispose]();
    expect(await waiting).toBe("");
    await upstream[Symbol.asyncDispose]();
  });
});
