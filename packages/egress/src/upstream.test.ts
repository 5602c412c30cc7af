import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import { judgeAddress } from "./guard.ts";
import { ask, CERTIFICATE, httpServer, httpsServer, listen } from "./local-server.ts";
import type { Resolver } from "./resolve.ts";
import { parseTarget } from "./route.ts";
import { asEgressError, isRedirect, openUpstream, type Upstream, type UpstreamLimits } from "./upstream.ts";

const LIMITS: UpstreamLimits = {
  connections: 4,
  connectTimeoutMs: 5_000,
  headersTimeoutMs: 5_000,
  maxHeaderBytes: 16 * 1024,
  keepAliveMs: 5_000,
};
const nobody: Resolver = () => Promise.reject(new Error("nothing to look up"));
/** An address of this machine that a name may lead to. A machine without a network has none. */
const own = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(({ address, internal }) => !internal && judgeAddress(address).ok)?.address;

const open: Upstream[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((upstream) => upstream.destroy()));
});

function upstream(
  url: string,
  {
    resolver = nobody,
    limits,
    ca,
  }: { resolver?: Resolver; limits?: Partial<UpstreamLimits>; ca?: string } = {},
): Upstream {
  const made = openUpstream(parseTarget(url), {
    partition: "orders/token",
    resolver,
    limits: { ...LIMITS, ...limits },
    tls: ca === undefined ? undefined : { ca },
  });
  open.push(made);
  return made;
}

const failure = (request: Promise<unknown>) =>
  request.then(
    () => Promise.reject(new Error("it was answered")),
    (error: unknown) => asEgressError(error),
  );

describe("an upstream", () => {
  test("on loopback works where the route names the address", async () => {
    await using server = await httpServer((request, response) => {
      request
        .setEncoding("utf8")
        .on("data", (body) => response.end(`${request.method} ${request.url} ${body}`));
    });
    const orders = upstream(`http://127.0.0.1:${server.port}/mcp`);
    const body = Buffer.from("{}");
    expect(await ask(orders, { method: "POST", path: "/mcp?a=1", body })).toMatchObject({
      status: 200,
      body: "POST /mcp?a=1 {}",
    });
    expect(server.sockets[0]?.localAddress).toBe("127.0.0.1");
  });

  test("on loopback is refused where a name leads there, and no packet arrives", async () => {
    await using server = await httpServer((_request, response) => response.end("reached"));
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0"]) {
      for (const host of ["localhost", "orders.internal"]) {
        const named = upstream(`http://${host}:${server.port}/`, { resolver: async () => [address] });
        expect(await failure(ask(named))).toMatchObject({ code: "address-refused" });
      }
    }
    const mixed = upstream(`http://orders.internal:${server.port}/`, {
      resolver: async () => ["10.0.0.1", "127.0.0.1"],
    });
    expect(await failure(ask(mixed))).toMatchObject({ code: "address-refused" });
    expect(server.sockets).toHaveLength(0);
  });

  test.skipIf(own === undefined)("is dialled at the judged address, for each socket anew", async () => {
    await using server = await httpServer((request, response) => {
      response.setHeader("connection", "close");
      response.end(request.headers.host);
    }, own);
    await using trap = await listen(createServer()); // where the rebinding leads
    const asked: string[] = [];
    const rebinding: Resolver = async (hostname) => {
      asked.push(hostname);
      return [asked.length === 1 ? (own ?? "") : "127.0.0.1"];
    };
    const orders = upstream(`http://orders.internal:${server.port}/`, { resolver: rebinding });
    expect(await ask(orders)).toMatchObject({ body: `orders.internal:${server.port}` });
    expect(await failure(ask(orders))).toMatchObject({ code: "address-refused" });
    expect(asked).toEqual(["orders.internal", "orders.internal"]);
    expect(server.sockets).toHaveLength(1);
    expect(trap.sockets).toHaveLength(0);
  });

  test("that redirects is not followed", async () => {
    await using elsewhere = await httpServer((_request, response) => response.end("followed"));
    await using server = await httpServer((_request, response) => {
      response.writeHead(307, { location: `http://127.0.0.1:${elsewhere.port}/` }).end();
    });
    const answer = await ask(upstream(`http://127.0.0.1:${server.port}/`));
    expect(isRedirect(answer.status)).toBe(true);
    expect(elsewhere.sockets).toHaveLength(0);
    expect([200, 304, 400].filter(isRedirect)).toEqual([]);
    expect([300, 301, 302, 303, 307, 308].filter(isRedirect)).toHaveLength(6);
  });

  test("cannot be left by the path of a request", async () => {
    await using elsewhere = await httpServer((_request, response) => response.end("reached"));
    await using server = await httpServer((_request, response) => response.end("here"));
    const orders = upstream(`http://127.0.0.1:${server.port}/`);
    for (const path of [`http://127.0.0.1:${elsewhere.port}/`, "", "a", "/a#b"]) {
      expect(await failure(ask(orders, { path }))).toMatchObject({ code: "header" });
    }
    const smuggled = { origin: `http://127.0.0.1:${elsewhere.port}`, path: "//127.0.0.1/" };
    expect(await ask(orders, smuggled)).toMatchObject({ body: "here" });
    expect(elsewhere.sockets).toHaveLength(0);
  });

  test("is not sent a header or path that begins another line", async () => {
    await using server = await httpServer((_request, response) => response.end());
    const orders = upstream(`http://127.0.0.1:${server.port}/`);
    const split = { headers: ["x", "a\r\nauthorization: b"] };
    expect(await failure(ask(orders, split))).toMatchObject({ code: "header" });
    expect(await failure(ask(orders, { path: "/a\r\nb" }))).toMatchObject({ code: "header" });
    expect(server.sockets).toHaveLength(0);
  });

  test("that says what nobody asked for loses its socket, and the next caller gets its own answer", async () => {
    const answer = (body: string) => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    let requests = 0;
    const server = createServer((socket) => {
      socket.on("data", () => {
        requests++;
        socket.write(answer(`answer ${requests}`), () => setImmediate(() => socket.write(answer("poison"))));
      });
    });
    await using local = await listen(server);
    const orders = upstream(`http://127.0.0.1:${local.port}/`, { limits: { connections: 1 } });
    expect((await ask(orders)).body).toBe("answer 1");
    await once(local.sockets[0] ?? server, "close");
    expect((await ask(orders)).body).toBe("answer 2");
    expect(local.sockets).toHaveLength(2);
  });
});

describe("an upstream that does not do its part fails by name", () => {
  test("it does not listen", async () => {
    const server = await httpServer(() => {});
    await server[Symbol.asyncDispose]();
    expect(await failure(ask(upstream(`http://127.0.0.1:${server.port}/`)))).toMatchObject({
      code: "connect",
    });
  });

  test("its name does not resolve, or not in time", async () => {
    expect(await failure(ask(upstream("http://orders.internal/")))).toMatchObject({ code: "dns" });
    const slow = upstream("http://orders.internal/", {
      resolver: () => new Promise(() => {}),
      limits: { connectTimeoutMs: 50 },
    });
    expect(await failure(ask(slow))).toMatchObject({ code: "timeout" });
  });

  test("it accepts, and never finishes the TLS handshake", async () => {
    await using server = await listen(createServer());
    const orders = upstream(`https://127.0.0.1:${server.port}/`, { limits: { connectTimeoutMs: 100 } });
    expect(await failure(ask(orders))).toMatchObject({ code: "timeout" });
  });

  test("it never answers", async () => {
    await using server = await httpServer(() => {});
    const orders = upstream(`http://127.0.0.1:${server.port}/`);
    expect(await failure(ask(orders, { headersTimeoutMs: 50 }))).toMatchObject({ code: "timeout" });
  });

  test("it hangs up", async () => {
    await using server = await httpServer((request) => request.socket.destroy());
    expect(await failure(ask(upstream(`http://127.0.0.1:${server.port}/`)))).toMatchObject({
      code: "connect",
    });
  });

  test("its headers are too large", async () => {
    await using server = await httpServer((_request, response) => {
      response.setHeader("x", "a".repeat(4096)).end();
    });
    const orders = upstream(`http://127.0.0.1:${server.port}/`, { limits: { maxHeaderBytes: 1024 } });
    expect(await failure(ask(orders))).toMatchObject({ code: "header" });
  });
});

describe("an upstream over TLS", () => {
  test("is trusted by the authority of its route, and by no other", async () => {
    await using server = await httpsServer((_request, response) => response.end("secure"));
    const url = `https://127.0.0.1:${server.port}/`;
    expect(await ask(upstream(url, { ca: CERTIFICATE }))).toMatchObject({ body: "secure" });
    expect(await failure(ask(upstream(url)))).toMatchObject({ code: "tls" });
  });

  test.skipIf(own === undefined)("must have the name that the route says, not only the address", async () => {
    await using server = await httpsServer((_request, response) => response.end("secure"), own);
    const at = (host: string) =>
      upstream(`https://${host}:${server.port}/`, { ca: CERTIFICATE, resolver: async () => [own ?? ""] });
    expect(await ask(at("upstream.test"))).toMatchObject({ body: "secure" });
    expect(await failure(ask(at("other.test")))).toMatchObject({ code: "tls" });
  });
});
