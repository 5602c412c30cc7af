import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Door, listening, openDoor, permitPorts } from "./egress.fixture.ts";
import { placeholderValue } from "./placeholders.ts";

const secret = "the-real-token-0123456789";

async function doorTo(port: number) {
  const at = { scheme: "http", host: "api.test", port, pathPrefix: "/" } as const;
  const location = { in: "header", name: "authorization", prefix: "Bearer " } as const;
  const held = { value: placeholderValue(), credential: "api", bindings: [{ ...at, location }] };
  const door = await openDoor(
    { policy: permitPorts(port), placeholders: [held] },
    {
      addresses: new Map([[`api.test:${port}`, "127.0.0.1"]]),
      lease: () => Promise.resolve({ value: Buffer.from(secret) }),
    },
  );
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return Object.assign(door, { headers: { authorization: `Bearer ${held.value}` }, agent });
}

async function ask(door: Door & Awaited<ReturnType<typeof doorTo>>, port: number): Promise<IncomingMessage> {
  const { socketPath, agent } = door;
  const headers = { ...door.headers, host: `api.test:${port}` };
  const request = send({ socketPath, agent, headers, path: `http://api.test:${port}/x` }).end();
  const [answer] = (await once(request, "response")) as [IncomingMessage];
  return answer;
}

describe("a scrubbed answer", () => {
  it("arrives whole, however large it is and slow its reader", async () => {
    const piece = Buffer.alloc(1_000_000, "0123456789 lorem ipsum ");
    await using upstream = await listening(
      createServer((_request, response) => {
        for (let at = 0; at < 12; at += 1) response.write(piece);
        response.end(secret);
      }),
    );
    await using door = await doorTo(upstream.port);
    let size = 0;
    let end = "";
    for await (const chunk of await ask(door, upstream.port)) {
      size += (chunk as Buffer).length;
      end = (end + String(chunk)).slice(-20);
      await turn();
    }
    expect(size).toBe(12 * piece.length + "[redacted:api]".length);
    expect(end).toContain("[redacted:api]");
    door.agent.destroy();
  });

  it("leaves its connection to the next request, and is denied again once the policy is another", async () => {
    await using upstream = await listening(createServer((_request, response) => response.end("fine")));
    await using door = await doorTo(upstream.port);
    for (let at = 0; at < 10; at += 1) {
      const answer = await ask(door, upstream.port);
      expect(answer.statusCode).toBe(200);
      await answer.resume().toArray();
    }
    expect(upstream.count()).toBe(1);
    door.proxy.setPolicy(permitPorts(1));
    const denied = await ask(door, upstream.port);
    expect(denied.statusCode).toBe(403);
    denied.resume();
    door.agent.destroy();
  });

  it("that breaks off is cut, not ended", async () => {
    let begun: ServerResponse | undefined;
    await using upstream = await listening(
      createServer((_request, response) => {
        begun = response;
        response.write("some");
      }),
    );
    await using door = await doorTo(upstream.port);
    const answer = await ask(door, upstream.port);
    begun?.destroy();
    await expect(answer.toArray()).rejects.toThrow("aborted");
    door.agent.destroy();
  });

  it("of which nothing was passed on yet is refused with a reason where it cannot be unpacked", async () => {
    await using upstream = await listening(
      createServer((_request, response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end("no gzip at all"),
      ),
    );
    await using door = await doorTo(upstream.port);
    const answer = await ask(door, upstream.port);
    expect(answer.statusCode).toBe(502);
    expect(String(Buffer.concat(await answer.toArray()))).toContain("could not be unpacked");
    door.agent.destroy();
  });

  it("that comes in one piece has its length, and the length is that of what is left of it", async () => {
    await using upstream = await listening(
      createServer((_request, response) => response.end(`{"echo":"${secret}"}`)),
    );
    await using door = await doorTo(upstream.port);
    const answer = await ask(door, upstream.port);
    const body = String(Buffer.concat(await answer.toArray()));
    expect(body).toBe('{"echo":"[redacted:api]"}');
    expect(answer.headers["content-length"]).toBe(String(body.length));
    door.agent.destroy();
  });
});
