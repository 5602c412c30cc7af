import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  ask,
  call,
  certificate,
  certificateKey,
  closeAll,
  type Front,
  keyFile,
  type RawAsk,
  startFront,
  startIssuer,
  type TestIssuer,
} from "./front.fixture.ts";

let issuer: TestIssuer;
let front: Front;
let token: string;
beforeEach(async () => {
  issuer = await startIssuer();
  front = await startFront(issuer);
  token = await issuer.token();
});
afterEach(closeAll);

/** The status of a request that is good but for this. */
const statusOf = async (asked: RawAsk) => (await ask(front.port, { token, ...asked })).status;

describe("a request that is not addressed to this edge", () => {
  it.each([["other.test"], ["edge.test.evil.example"], ["edge.test:81"], ["127.0.0.1"], [""]])(
    "by its host %j is 421 (DNS rebinding)",
    async (host) => {
      expect(await statusOf({ without: ["host"], headers: [["host", host]] })).toBe(421);
      expect(front.passed()).toBe(0);
    },
  );

  it("by its origin is 403; an origin that may call passes", async () => {
    for (const origin of [
      "https://evil.example",
      "null",
      "https://edge.test.evil.example",
      "http://edge.test",
    ]) {
      expect(await statusOf({ headers: [["origin", origin]] })).toBe(403);
    }
    expect(front.passed()).toBe(0);
    for (const origin of ["https://edge.test", "https://app.example"]) {
      expect(await statusOf({ headers: [["origin", origin]] })).toBe(200);
    }
  });

  it("is refused before anybody looks at its token", async () => {
    await statusOf({ without: ["host"], headers: [["host", "other.test"]] });
    await statusOf({ headers: [["origin", "https://evil.example"]] });
    expect(issuer.fetches()).toBe(0);
  });
});

describe("a request that two readers could read in two ways", () => {
  it.each([
    ["authorization", "Bearer second"],
    ["host", "edge.test"],
    ["origin", "https://edge.test"],
    ["content-type", "application/json"],
    ["mcp-session-id", "b"],
    ["mcp-protocol-version", "2025-11-25"],
    ["mcp-method", "tools/list"],
    ["mcp-name", "other"],
    ["last-event-id", "2"],
  ])("by a second header %s is 400", async (name, value) => {
    const usual =
      ["host", "content-type"].includes(name) || name === "authorization" ? [] : [[name, value] as const];
    expect(await statusOf({ headers: [...usual, [name, value]] })).toBe(400);
    expect(front.passed()).toBe(0);
  });

  it("by two lengths, or a length and chunks, is 400", async () => {
    expect(await statusOf({ headers: [["content-length", "5"]] })).toBe(400);
    expect(await statusOf({ headers: [["transfer-encoding", "chunked"]] })).toBe(400);
  });

  it.each([
    ["the same key twice", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}`],
    [
      "the same key twice, once escaped",
      `{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}`,
    ],
    ["a key in another letter case", `{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}`],
    [
      "the same argument twice",
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}`,
    ],
    [
      "half of a surrogate pair",
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\\ud800"}}`,
    ],
    ["a byte order mark", `\ufeff${call()}`],
    ["a key __proto__", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"__proto__":{}}}`],
    ["a number out of range", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"n":1e999}}`],
    ["an id that is no safe integer", `{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}`],
    ["an answer and a method", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`],
    ["no name of a tool", call({ arguments: {} })],
    ["no JSON", "{"],
    ["nothing", ""],
    ["deep nesting", `${call().slice(0, -2)},"a":${"[".repeat(5000)}${"]".repeat(5000)}}}`],
  ])("by a body with %s is 400 and a JSON-RPC error", async (_what, body) => {
    const { status, json } = await ask(front.port, { token, body });
    expect(status).toBe(400);
    expect(json).toMatchObject({ jsonrpc: "2.0", error: { code: expect.any(Number) as number } });
    expect(front.passed()).toBe(0);
  });

  it("by bytes that are not UTF-8 is 400", async () => {
    const bytes = Buffer.concat([
      Buffer.from(`{"jsonrpc":"2.0","id":1,"method":"pi`),
      Buffer.from([0xff]),
      Buffer.from(`"}`),
    ]);
    expect(await statusOf({ body: bytes })).toBe(400);
  });

  it("by a batch where the wire has none is 400; of 2025-03-26 it passes", async () => {
    const batch = `[${call()},{"jsonrpc":"2.0","method":"notifications/initialized"}]`;
    for (const version of ["2025-06-18", "2025-11-25", "2026-07-28"]) {
      expect(await statusOf({ body: batch, headers: [["mcp-protocol-version", version]] })).toBe(400);
    }
    expect(front.passed()).toBe(0);
    expect(await statusOf({ body: batch })).toBe(200);
  });

  it.each([
    ["mcp-method", "tools/list"],
    ["mcp-name", "refund_order"],
    ["mcp-name", "=?base64?cmVmdW5k?="],
    ["mcp-name", "=?base64?!?="],
    ["mcp-method", "tools/call, tools/call"],
  ])("by a header %s: %s that differs from its body is -32020", async (name, value) => {
    const { status, json } = await ask(front.port, { token, headers: [[name, value]] });
    expect(status).toBe(400);
    expect(json).toMatchObject({ id: 1, error: { code: -32020 } });
    expect(front.passed()).toBe(0);
  });

  it("by a request of 2026-07-28 without the headers that mirror it is -32020; with them it passes", async () => {
    const version = "2026-07-28";
    const body = call({
      name: "list_orders",
      arguments: {},
      _meta: { "io.modelcontextprotocol/protocolVersion": version },
    });
    expect((await ask(front.port, { token, body })).json).toMatchObject({ error: { code: -32020 } });
    const headers = [
      ["mcp-protocol-version", version],
      ["mcp-method", "tools/call"],
      ["mcp-name", "list_orders"],
    ] as const;
    expect(await statusOf({ body, headers })).toBe(200);
  });
});

describe("what a URL may hold", () => {
  it("is no token: it would end up in logs", async () => {
    const { status, json } = await ask(front.port, { path: `/mcp/orders?access_token=${token}` });
    expect(status).toBe(400);
    expect(json.title).toMatch(/access token in the URL/);
    expect(JSON.stringify(json)).not.toContain(token);
  });

  it("is no other query, and nothing but the name of a server", async () => {
    expect(await statusOf({ path: "/mcp/orders?a=1" })).toBe(400);
    expect(await statusOf({ path: "/mcp/orders?" })).toBe(400);
    for (const path of ["/", "/mcp", "/mcp/", "/mcp/a/b", "/mcp/..%2fadmin", "/mcp/%00", "/metrics"]) {
      expect([path, await statusOf({ path })]).toEqual([path, 404]);
    }
  });

  it("is no other method", async () => {
    for (const method of ["PUT", "PATCH", "OPTIONS", "HEAD", "TRACE"]) {
      expect([method, [404, 405].includes(await statusOf({ method }))]).toEqual([method, true]);
    }
    expect(front.passed()).toBe(0);
  });
});

describe("sizes", () => {
  it("of a body end at the limit: 413, before it was read", async () => {
    front = await startFront(issuer, { limits: { body: 1000, connections: 10, request: 30_000, drain: 0 } });
    const sized = (bytes: number) =>
      call({
        name: "a",
        arguments: { text: "x".repeat(bytes - call({ name: "a", arguments: { text: "" } }).length) },
      });
    expect(await statusOf({ body: sized(1000) })).toBe(200);
    const { status, json } = await ask(front.port, { token, body: sized(1001) });
    expect([status, json.title]).toEqual([413, "the body is larger than this server takes: see limits.body"]);
  });

  it("of headers end at 32 KiB: 431", async () => {
    expect(await statusOf({ headers: [["x-large", "x".repeat(40_000)]] })).toBe(431);
  });

  it("of a body that is not JSON do not matter: 415", async () => {
    expect(await statusOf({ without: ["content-type"], headers: [["content-type", "text/plain"]] })).toBe(
      415,
    );
    expect(await statusOf({ without: ["content-type"] })).toBe(415);
  });

  it("of the number of connections are bounded", async () => {
    front = await startFront(issuer, { limits: { body: 1000, connections: 3, request: 30_000, drain: 0 } });
    const sockets = [1, 2, 3].map(() => connect(front.port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once("connect", resolve))));
    await expect(statusOf({})).rejects.toThrow();
    for (const socket of sockets) socket.destroy();
  });
});

describe("a client that dribbles", () => {
  it.each([
    ["its head", "POST /mcp/orders HTTP/1.1\r\nhost: edge.test\r\nx-slow: "],
    [
      "its body",
      `POST /mcp/orders HTTP/1.1\r\nhost: edge.test\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{`,
    ],
  ])("%s is cut off in time, and the others are served meanwhile", async (_what, begin) => {
    front = await startFront(issuer, { limits: { body: 1000, connections: 10, request: 1_000, drain: 0 } });
    const socket = connect(front.port, "127.0.0.1");
    const began = performance.now();
    const cut = new Promise<string>((resolve) => {
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on("error", () => undefined);
      socket.on("close", () => resolve(text));
    });
    socket.write(begin);
    const dribble = setInterval(() => socket.write("x"), 100);
    expect(await statusOf({})).toBe(200);
    expect(await cut).toMatch(/^HTTP\/1\.1 408 /);
    clearInterval(dribble);
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(front.passed()).toBe(1);
  });
});

describe("with TLS", () => {
  const tls = { certFile: "", keyFile: keyFile(certificateKey) };

  it("answers over TLS 1.3 and nothing below, and not in clear", async () => {
    const folder = await mkdtemp(join(tmpdir(), "sallyport-edge-"));
    try {
      await writeFile(`${folder}/cert.pem`, certificate);
      front = await startFront(issuer, { tls: { ...tls, certFile: `${folder}/cert.pem` } });
      expect(await statusOf({ ca: certificate })).toBe(200);
      await expect(statusOf({})).rejects.toThrow();
      const old = connectTls({
        port: front.port,
        host: "127.0.0.1",
        ca: certificate,
        servername: "edge.test",
        maxVersion: "TLSv1.2",
      });
      const failure = await new Promise<string>((resolve) => {
        old.on("error", (error) => resolve(error.message));
        old.on("secureConnect", () => resolve("connected"));
      });
      expect(failure).toMatch(/version/i);
      old.destroy();
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
