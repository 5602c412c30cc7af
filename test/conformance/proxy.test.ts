import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type HeaderProxy, startHeaderProxy } from "./proxy.ts";

let target: Server;
let listener: RequestListener;
let proxy: HeaderProxy;

beforeEach(async () => {
  target = createServer((req, res) => listener(req, res));
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  proxy = await startHeaderProxy({ target: targetUrl(), headers: { authorization: "Bearer added" } });
});
afterEach(async () => {
  await proxy.close();
  target.closeAllConnections();
  target.close();
});

const targetUrl = () => new URL(`http://127.0.0.1:${(target.address() as AddressInfo).port}/mcp`);

interface Ask {
  readonly headers?: string[];
  readonly path?: string;
  readonly body?: Buffer;
}

/** A request with exactly these headers, and its answer's head. */
async function ask({ headers = [], path = "/mcp", body }: Ask): Promise<IncomingMessage> {
  const { host, hostname, port } = new URL(proxy.url);
  const length = body ? ["content-length", String(body.length)] : [];
  const all = [...(headers.some((h) => /^host$/i.test(h)) ? [] : ["Host", host]), ...headers, ...length];
  const asked = request({ hostname, port, path, method: "POST", headers: all });
  asked.end(body);
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  return answer;
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe("the header proxy", () => {
  it("keeps headers in order and case, and puts its own in place of the client's", async () => {
    listener = (req, res) => void res.end(JSON.stringify(req.rawHeaders));
    const headers = [
      "X-b",
      "1",
      "x-A",
      "2",
      "X-b",
      "3",
      "Authorization",
      "Bearer client",
      "Connection",
      "close",
    ];
    const seen = JSON.parse(
      (await bytesOf(await ask({ headers, body: Buffer.from("{}") }))).toString(),
    ) as string[];
    expect(seen).toEqual([
      ...["Host", targetUrl().host, "X-b", "1", "x-A", "2", "X-b", "3", "Connection", "close"],
      ...["content-length", "2"],
      ...["authorization", "Bearer added"],
    ]);
  });

  it("passes status, headers and bodies as bytes, both ways, at the path that was asked", async () => {
    const body = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251));
    listener = (req, res) => {
      res.sendDate = false;
      res.writeHead(418, "Short and stout", [
        "X-Path",
        req.url ?? "",
        "Set-Cookie",
        "a=1",
        "Set-Cookie",
        "b=2",
      ]);
      req.pipe(res);
    };
    const answer = await ask({ path: "/mcp?a=%2F", body });
    expect([answer.statusCode, answer.statusMessage]).toEqual([418, "Short and stout"]);
    expect(answer.rawHeaders.slice(0, 6)).toEqual([
      "X-Path",
      "/mcp?a=%2F",
      "Set-Cookie",
      "a=1",
      "Set-Cookie",
      "b=2",
    ]);
    expect(answer.headers.date).toBeUndefined();
    expect((await bytesOf(answer)).equals(body)).toBe(true);
  });

  it("makes its own Host and Origin the target's, and passes foreign ones", async () => {
    listener = (req, res) => void res.end(`${req.headers.host} ${req.headers.origin}`);
    const seen = async (headers: string[]) => (await bytesOf(await ask({ headers }))).toString();
    const { origin, host } = targetUrl();
    expect(await seen(["Origin", new URL(proxy.url).origin])).toBe(`${host} ${origin}`);
    expect(await seen(["Host", "evil.example", "Origin", "http://evil.example"])).toBe(
      "evil.example http://evil.example",
    );
  });

  it("passes each event when it is sent, not when the stream ends", async () => {
    let send: (text: string) => void = () => {};
    listener = (_req, res) => {
      res.writeHead(200, { "content-type": "text/event-stream" });
      send = (text) => void res.write(text);
      send("data: 1\n\n");
    };
    const answer = await ask({});
    expect(String((await once(answer, "data"))[0])).toBe("data: 1\n\n");
    send("data: 2\n\n");
    expect(String((await once(answer, "data"))[0])).toBe("data: 2\n\n");
    answer.destroy();
  });

  it("hangs up on the target when the client does", async () => {
    const closed = new Promise<boolean>((resolve) => {
      listener = (_req, res) => {
        res.write("first");
        res.once("close", () => resolve(res.writableFinished));
      };
    });
    const answer = await ask({});
    answer.destroy();
    expect(await closed).toBe(false);
  });

  it.each(["end", "resetAndDestroy"] as const)("breaks off where the target does, by %s", async (breaks) => {
    listener = (_req, res) => {
      res.writeHead(200, { "content-length": "100" });
      res.write("half", () => res.socket?.[breaks]());
    };
    await expect(ask({}).then(bytesOf)).rejects.toThrow();
  });

  it("closes the connection where the target cannot be reached", async () => {
    target.close();
    target.closeAllConnections();
    await expect(ask({})).rejects.toThrow();
  });
});
