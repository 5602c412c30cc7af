import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { createSecureContext } from "node:tls";
import { until } from "@sallyport/testkit";
import { describe, expect, it } from "vitest";
import {
  type Door,
  listening,
  openDoor,
  permitPorts,
  policyOf,
  quickLimits,
  speak,
} from "./egress.fixture.ts";
import { Ending } from "./ending.ts";
import type { Target } from "./request-target.ts";
import { Upstreams } from "./upstreams.ts";

const within = { within: 5_000 };

async function doorTo(ports: readonly number[], limits = quickLimits) {
  const addresses = new Map(ports.map((port) => [`api.test:${port}`, "127.0.0.1"]));
  const door = await openDoor({ policy: permitPorts(...ports) }, { addresses, limits });
  return Object.assign(door, { agent: new Agent({ keepAlive: true, maxSockets: 1 }) });
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function ask(
  door: Door & { agent: Agent },
  port: number,
  { method = "GET", headers = {}, body }: Asked = {},
) {
  const { socketPath, agent } = door;
  const asked = { socketPath, agent, method, path: `http://api.test:${port}/x` };
  const request = send({ ...asked, headers: { host: `api.test:${port}`, ...headers } }).end(body);
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  const text = String(Buffer.concat(await answer.toArray()));
  return { status: answer.statusCode, headers: answer.headers, text };
}

/** What each request looked like on arrival. */
function echoing() {
  return createServer(async (request, response) => {
    const body = String(Buffer.concat(await request.toArray()));
    response.end(JSON.stringify({ method: request.method, headers: request.headers, body }));
  });
}

/** A server that writes what it likes: `answers`, one for each request's head. */
function writing(...answers: readonly string[]) {
  const rest = [...answers];
  return createTcpServer((socket: Socket) => {
    socket.on("data", () => socket.write(rest.shift() ?? ""));
  });
}

describe("a request on its way to a server", () => {
  it("has its body and the length of it, whatever its method", async () => {
    await using upstream = await listening(echoing());
    await using door = await doorTo([upstream.port]);
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
      const asked = { method, headers: { "content-length": "5" }, body: "hello" };
      const { headers, ...seen } = JSON.parse((await ask(door, upstream.port, asked)).text);
      expect(seen).toEqual({ method, body: "hello" });
      expect(headers).toMatchObject({ "content-length": "5", host: `api.test:${upstream.port}` });
    }
    door.agent.destroy();
  });

  it("of unknown length goes out in chunks, and has none where it has no body", async () => {
    await using upstream = await listening(echoing());
    await using door = await doorTo([upstream.port]);
    const { socketPath } = door;
    const host = `api.test:${upstream.port}`;
    const asked = send({ socketPath, method: "POST", path: `http://${host}/x`, headers: { host } });
    asked.write("hel");
    await until("it is with the server", () => upstream.count() === 1, within);
    asked.end("lo");
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    const { headers, body } = JSON.parse(String(Buffer.concat(await answer.toArray())));
    expect([headers["transfer-encoding"], body]).toEqual(["chunked", "hello"]);
    expect(headers).not.toHaveProperty("content-length");
    const empty = JSON.parse((await ask(door, upstream.port, { method: "POST" })).text);
    expect([empty.headers["content-length"], empty.body]).toEqual(["0", ""]);
    const got = JSON.parse((await ask(door, upstream.port)).text);
    expect(got.headers).not.toHaveProperty("content-length");
    expect(got.headers).not.toHaveProperty("transfer-encoding");
    door.agent.destroy();
  });

  it("that finds no server is answered while its body still comes", async () => {
    const gone = await listening(echoing());
    await gone[Symbol.asyncDispose]();
    await using door = await doorTo([gone.port]);
    const body = "x".repeat(4 * 1024 * 1024);
    const { status, text } = await ask(door, gone.port, { method: "POST", body });
    expect(status).toBe(502);
    expect(text).toContain("could not be reached");
    door.agent.destroy();
  });
});

describe("a request that waits for a connection", () => {
  it("ends when it has taken as long as one may", async () => {
    const limits = { ...quickLimits, headTimeoutMs: 300, totalMs: 300, connectTimeoutMs: 600_000 };
    const resolver = () => new Promise<never>(() => {});
    await using door = await openDoor({ policy: permitPorts(8080) }, { resolver, limits });
    const get = "GET http://slow.test:8080/ HTTP/1.1\r\nHost: slow.test:8080\r\n\r\n";
    expect(await speak(door, get)).toMatch(/^HTTP\/1.1 504 timeout: /);
  });

  it("is not sent where a policy came to deny it meanwhile", async () => {
    let first: ServerResponse | undefined;
    const paths: (string | undefined)[] = [];
    await using upstream = await listening(
      createServer(({ url }, response) => {
        paths.push(url);
        if (paths.length === 1) first = response;
        else response.end("fine");
      }),
    );
    const { port } = upstream;
    await using door = await doorTo([port], { ...quickLimits, connections: 1 });
    const get = (path: string) =>
      `GET http://api.test:${port}${path} HTTP/1.1\r\nHost: api.test:${port}\r\n\r\n`;
    const said = speak(door, get("/first") + get("/second"), /policy/);
    await until("both are allowed, and one is with the server", () => first && door.records[1], within);
    door.proxy.setPolicy(
      policyOf(
        `@id("first") permit(principal, action == Action::"http/request", resource) when { context.port == ${port} && context.path == "/first" };`,
      ),
    );
    first?.end("fine");
    expect(await said).toMatch(/^HTTP\/1.1 200 .*fine.*HTTP\/1.1 403 /s);
    // The connection is free for another: had the second been kept, it would come before that one.
    const third = await speak(door, get("/first"), /fine/);
    expect(third).toContain("fine");
    expect(paths).toEqual(["/first", "/first"]);
  });
});

describe("an answer on its way back", () => {
  it("to HEAD has the length that GET would have", async () => {
    await using upstream = await listening(
      createServer((_request, response) => response.setHeader("content-length", "12345").end()),
    );
    await using door = await doorTo([upstream.port]);
    const { headers, text } = await ask(door, upstream.port, { method: "HEAD" });
    expect([headers["content-length"], text]).toEqual(["12345", ""]);
    door.agent.destroy();
  });

  it("that comes before the request was read leaves its client's connection to the next", async () => {
    await using upstream = await listening(
      createServer((request, response) => {
        if (request.method === "POST") response.writeHead(413).end("too large");
        else response.end("fine");
      }),
    );
    await using door = await doorTo([upstream.port]);
    const host = `api.test:${upstream.port}`;
    const head = (method: string) => `${method} http://${host}/x HTTP/1.1\r\nHost: ${host}\r\n`;
    const post = `${head("POST")}Content-Length: ${4 << 20}\r\n\r\n${"x".repeat(4 << 20)}`;
    const said = await speak(door, `${post}${head("GET")}\r\n`, /fine/);
    expect(said).toMatch(/^HTTP\/1.1 413 .*too large.*HTTP\/1.1 200 .*fine/s);
  });

  it("comes after what a server says of it beforehand", async () => {
    const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n";
    await using upstream = await listening(
      writing(`${hints}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine`),
    );
    await using door = await doorTo([upstream.port]);
    expect(await ask(door, upstream.port)).toMatchObject({ status: 200, text: "fine" });
    door.agent.destroy();
  });

  it("that nobody asked for meets nobody: the next request gets its own", async () => {
    const answer = (text: string) => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
    await using upstream = await listening(writing(answer("first") + answer("planted"), answer("second")));
    await using door = await doorTo([upstream.port]);
    expect((await ask(door, upstream.port)).text).toBe("first");
    expect((await ask(door, upstream.port)).text).toBe("second");
    expect(upstream.count()).toBe(2);
    door.agent.destroy();
  });

  it("is cut at the server too where its client reads nothing for too long", async () => {
    let sending: Socket | undefined;
    const piece = Buffer.alloc(64 * 1024, "lorem ipsum ");
    await using upstream = await listening(
      createServer((request, response) => {
        sending = request.socket;
        const more = () => {
          while (!response.destroyed && response.write(piece));
        };
        response.on("drain", more);
        more();
      }),
    );
    await using door = await doorTo([upstream.port], { ...quickLimits, idleMs: 300 });
    const { socketPath } = door;
    const asked = send({
      socketPath,
      path: `http://api.test:${upstream.port}/x`,
      headers: { host: `api.test:${upstream.port}` },
    }).end();
    asked.on("error", () => {});
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    answer.on("error", () => {});
    await until("the server has lost it", () => sending?.destroyed, within);
    asked.destroy();
  });
});

describe("connections to servers", () => {
  const few = { ...quickLimits, connections: 1 };

  it("that are kept make room for another server", async () => {
    await using first = await listening(echoing());
    await using second = await listening(echoing());
    await using door = await doorTo([first.port, second.port], few);
    for (const { port } of [first, second, first, second]) expect((await ask(door, port)).status).toBe(200);
    expect([first.count(), second.count()]).toEqual([2, 2]);
    door.agent.destroy();
  });

  it("are refused beyond their number where all are in use", async () => {
    await using busy = await listening(echoing());
    await using other = await listening(echoing());
    await using door = await doorTo([busy.port, other.port], few);
    const get = ({ port }: { port: number }) =>
      `GET http://api.test:${port}/x HTTP/1.1\r\nHost: api.test:${port}\r\n\r\n`;
    // On one connection, without waiting for the first answer.
    const said = await speak(door, get(busy) + get(other), /at most/);
    expect(said).toMatch(/a sandbox has at most 1 connections to servers/);
    expect(other.count()).toBe(0);
  });

  it("are not opened once the sandbox has ended, even for a request that nobody has stopped", async () => {
    await using upstream = await listening(echoing());
    const lookUp = () => Promise.reject(new Error("no look-ups in tests"));
    const addresses = new Map([[`api.test:${upstream.port}`, "127.0.0.1"]]);
    const deps = { record: lookUp, lease: lookUp, resolver: lookUp, addresses, limits: quickLimits };
    const upstreams = new Upstreams(deps, createSecureContext());
    const target = { scheme: "http", authority: { host: "api.test", port: upstream.port } } as Target;
    const send = () => upstreams.ask(target, { method: "GET", path: "/x", headers: [] }, new Ending());
    expect((await send()).head.status).toBe(200);
    await upstreams.destroy();
    await expect(send()).rejects.toThrow("the sandbox has ended");
    expect(upstream.count()).toBe(1);
  });
});
