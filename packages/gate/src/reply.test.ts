import { randomBytes } from "node:crypto";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type Incoming, Link, type LinkLimits } from "@sallyport/bus";
import { ReplyHead, ServiceError } from "@sallyport/contracts";
import type { Header } from "@sallyport/egress";
import { unavailable } from "@sallyport/mcp";
import { compileScrub } from "@sallyport/scrub";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Reply, type ReplyOptions, type ReplyOutcome } from "./reply.ts";

const secret = "pw-9fKq2ZtXw7Lm";
const scrubber = compileScrub([{ name: "orders", value: Buffer.from(secret) }]);
const json: Header = ["content-type", "application/json"];
const events: Header = ["content-type", "text/event-stream"];
const gzip: Header = ["content-encoding", "gzip"];

const closing: (() => unknown)[] = [];
afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

const seen = (what: () => unknown) => vi.waitUntil(what, { timeout: 5_000, interval: 2 });

/** An exchange as the tunnel carries it, both its ends in this process; the records are not sealed. */
async function exchange(limits: Partial<LinkLimits> = {}) {
  const arrived = Promise.withResolvers<Incoming>();
  const over = new ServiceError("unavailable", "the test is over");
  const cipher = {
    seal: (parts: readonly Uint8Array[]) => Buffer.concat(parts),
    open: (record: Uint8Array) => record,
  };
  const link = (peer: () => Link, opened?: (exchange: Incoming) => void): Link =>
    new Link({
      ...{ cipher, limits, dead: () => undefined },
      ...(opened ? { opened } : {}),
      send: (record) => {
        queueMicrotask(() => peer().receive(record));
        return true;
      },
    });
  const edge: Link = link(() => connector);
  const connector: Link = link(() => edge, arrived.resolve);
  closing.push(() => [edge, connector].map((one) => one.close(over)));

  const agent = {
    head: undefined as ReplyHead | undefined,
    body: "",
    error: undefined as ServiceError | undefined,
    ended: false,
    /** Whether it takes what comes. */
    reads: true,
    untaken: 0,
    takes: () => {
      agent.reads = true;
      outgoing.consumed(agent.untaken);
      agent.untaken = 0;
    },
    goes: () => outgoing.cancel(),
  };
  const outgoing = edge.open(
    { head: { call: 1 }, body: Buffer.alloc(0), deadlineMs: 60_000 },
    {
      head: (head) => {
        agent.head = ReplyHead.parse(head);
      },
      data: (chunk) => {
        agent.body += Buffer.from(chunk).toString("latin1");
        if (agent.reads) outgoing.consumed(chunk.length);
        else agent.untaken += chunk.length;
      },
      end: () => {
        agent.ended = true;
      },
      fail: (error) => {
        agent.error = error;
      },
    },
  );
  return { agent, incoming: await arrived.promise };
}

/** A reply on its way to an agent, and what was said about it here; `pressed`: chunks for an exchange that was to wait. */
async function replying(options: Partial<ReplyOptions> = {}, limits: Partial<LinkLimits> = {}) {
  const { agent, incoming } = await exchange(limits);
  const outcomes: ReplyOutcome[] = [];
  const said = { abandoned: 0, pressed: 0 };
  let held = false;
  const write = (chunk: Uint8Array) => {
    if (held) said.pressed += 1;
    held = !incoming.write(chunk);
    return !held;
  };
  const reply = new Reply({
    exchange: Object.assign(Object.create(incoming) as Incoming, { write }),
    scrubber,
    visible: undefined,
    sessionName: (name) => `named(${name})`,
    resume: () => undefined,
    abandon: () => {
      said.abandoned += 1;
    },
    failure: ({ message }, reached) =>
      unavailable({ id: 7, source: "upstream", retryable: !reached, reason: message }),
    finished: (outcome) => outcomes.push(outcome),
    ...options,
  });
  incoming.on({
    cancel: () => reply.cancelled(),
    drain: () => {
      held = false;
      reply.drained();
    },
  });
  /** Everything at once, as a quick server says it. */
  const say = async (headers: Header[], ...chunks: (string | Uint8Array)[]) => {
    reply.head(200, headers);
    for (const chunk of chunks) reply.data(Buffer.from(chunk));
    reply.end();
    await agentKnows();
  };
  const agentKnows = () => seen(() => agent.ended || agent.error !== undefined);
  return { agent, reply, outcomes, said, say, agentKnows };
}

describe("the head of a reply", () => {
  it("passes on the headers that an agent has business with, and no other", async () => {
    const { agent, say } = await replying();
    await say([
      ...[json, gzip],
      ...(["Retry-After", "MCP-Param-Region", "Cache-Control"].map((name) => [name, "7"]) as Header[]),
      ...(["set-cookie", "www-authenticate", "location", "server", "alt-svc", "content-length", "x-any"].map(
        (name) => [name, "7"],
      ) as Header[]),
    ]);
    expect(agent.head?.headers).toEqual([
      json,
      ["retry-after", "7"],
      ["mcp-param-region", "7"],
      ["cache-control", "7"],
    ]);
  });

  it("names the upstream's session by a name of ours, never by its own", async () => {
    const { agent, say } = await replying();
    await say([json, ["Mcp-Session-Id", "upstream-1"]], "{}");
    expect(agent.head?.headers).toEqual([json, ["mcp-session-id", "named(upstream-1)"]]);
  });

  it("holds no secret either", async () => {
    const { agent, say } = await replying();
    await say([json, ["mcp-param-echo", `got ${secret}`]], "{}");
    expect(agent.head?.headers).toContainEqual(["mcp-param-echo", "got [redacted:orders]"]);
  });
});

describe("the body of a reply", () => {
  it("is scrubbed across the borders of chunks, and the outcome says how often", async () => {
    const { agent, say, outcomes } = await replying();
    await say([json], `{"a":"${secret.slice(0, 6)}`, `${secret.slice(6)}"}`);
    expect(agent.body).toBe('{"a":"[redacted:orders]"}');
    const bytes = agent.body.length;
    expect(outcomes).toEqual([{ status: 200, bytes, redacted: 1, error: undefined, cancelled: false }]);
  });

  it("passes as it came when there is no secret and no list", async () => {
    const { agent, say } = await replying({ scrubber: undefined });
    await say([["content-type", "application/octet-stream"]], Buffer.from([0xff, 0, 0xfe]));
    expect(agent.body).toBe("\xff\0\xfe");
  });

  it("is unpacked before it is scrubbed", async () => {
    const { agent, say, outcomes } = await replying();
    const packed = gzipSync(`{"a":"${secret}"}`);
    await say([json, gzip], packed.subarray(0, 11), packed.subarray(11));
    expect(agent.body).toBe('{"a":"[redacted:orders]"}');
    expect(agent.head?.headers).toEqual([json]);
    expect(outcomes).toMatchObject([{ redacted: 1, error: undefined }]);
  });

  it.each<[string, Header[]]>([
    ["in a way that is not known", [["content-encoding", "zstd"]]],
    ["twice", [["content-encoding", "gzip, gzip"]]],
    ["behind a first header that says it is not", [["content-encoding", "identity"], gzip]],
  ])("packed %s is refused, unseen, and the upstream need not go on", async (_how, encoding) => {
    const { agent, say, outcomes, said } = await replying();
    await say([json, ...encoding], gzipSync(secret));
    expect(JSON.parse(agent.body)).toMatchObject({
      id: 7,
      error: { data: { sallyport: { reason: expect.stringContaining("cannot be checked") } } },
    });
    expect(outcomes).toMatchObject([{ error: { code: "internal" }, cancelled: false }]);
    expect(said.abandoned).toBe(1);
  });

  it("that unpacks to far more than it was is cut off, and the upstream need not go on", async () => {
    const { agent, say, outcomes, said } = await replying();
    await say([json, gzip], gzipSync(Buffer.alloc(32 * 1024 * 1024, " ")));
    expect(agent.error).toMatchObject({ code: "internal" });
    expect(agent.body.length).toBeLessThan(4 * 1024 * 1024);
    expect(outcomes).toHaveLength(1);
    expect(said.abandoned).toBe(1);
  });

  it("whose packing is damaged ends with an error, not with half of it", async () => {
    const { agent, say } = await replying();
    await say([json, gzip], gzipSync('{"a":1}').subarray(0, -4));
    expect([agent.ended, agent.error?.code]).toEqual([false, "internal"]);
  });

  it("that is refused ends the request at a server that would have gone on for ever", async () => {
    const left = Promise.withResolvers<void>();
    const server = createServer((_request, response) => {
      response.writeHead(200, Object.fromEntries([events, ["content-encoding", "zstd"]]));
      const chatter = setInterval(() => response.write("data: more\n\n"), 5);
      response.on("close", () => {
        clearInterval(chatter);
        left.resolve();
      });
    }).listen(0, "127.0.0.1");
    closing.push(() => server.close());
    await seen(() => server.listening);
    const { port } = server.address() as AddressInfo;
    const { reply, agentKnows } = await replying({ abandon: () => request.destroy() });
    const request = get({ host: "127.0.0.1", port }, (response) => {
      reply.head(200, Object.entries(response.headers as Record<string, string>));
      response.on("data", (chunk: Buffer) => reply.data(chunk));
      response.on("error", () => undefined);
    });
    await agentKnows();
    await left.promise;
  });
});

const listed = (...names: string[]) =>
  JSON.stringify({ jsonrpc: "2.0", id: 7, result: { tools: names.map((name) => ({ name })) } });

describe("a list of tools", () => {
  const visible = (tool: string) => tool !== "drop";

  it("in JSON shows only what may be shown, wherever its chunks are cut", async () => {
    const { agent, say } = await replying({ visible });
    const body = listed("read", "drop", "write");
    await say([["content-type", "application/json; charset=utf-8"]], body.slice(0, 50), body.slice(50));
    expect(agent.body).toBe(listed("read", "write"));
  });

  it("in a stream of events too, one event at a time", async () => {
    const { agent, reply, agentKnows } = await replying({ visible });
    reply.head(200, [events]);
    reply.data(Buffer.from(`: hello\n\nid: 1\ndata: ${listed("drop", "read")}\n\n`));
    await seen(() => agent.body.includes("read"));
    expect(agent.body).toBe(`: hello\n\nid: 1\ndata: ${listed("read")}\n\n`);
    reply.end();
    await agentKnows();
  });

  it("in a last event without its blank line, too", async () => {
    const { agent, say } = await replying({ visible });
    await say([events], `data: ${listed("drop", "read")}\n`);
    expect(agent.body).toBe(`data: ${listed("read")}\n`);
  });

  it("that came packed, too", async () => {
    const { agent, say } = await replying({ visible });
    await say([json, gzip], gzipSync(listed("drop", "read")));
    expect(agent.body).toBe(listed("read"));
  });

  it.each<[string, Header[], string]>([
    ["is not JSON", [json], "{"],
    ["has a name twice, so that two readers see two lists", [json], '{"result":{"tools":[]},"result":{}}'],
    ["is larger than is read", [json], `"${"x".repeat(4 * 1024 * 1024)}"`],
    ["is not JSON in an event", [events], "data: {\n\n"],
    ["is an event that never ends", [events], `data: ${"x".repeat(4 * 1024 * 1024)}`],
    ["is of two types at once", [["content-type", "text/plain; application/json"]], listed("drop")],
    ["is of two types in two headers", [["content-type", "text/plain"], json], listed("drop")],
    [
      "is events to one reader and JSON to another",
      [["content-type", "text/event-stream; x=application/json"]],
      listed("drop"),
    ],
  ])("that %s is not shown", async (_what, headers, body) => {
    const { agent, say, outcomes } = await replying({ visible });
    await say(headers, body);
    expect(agent.error ?? JSON.parse(agent.body).error).toMatchObject({
      message: expect.stringContaining("list of tools cannot be read"),
    });
    expect(agent.body).not.toContain('tools":');
    expect(outcomes).toMatchObject([{ error: { code: "internal" } }]);
  });

  it.each<[string, Header]>([
    ["in JSON", json],
    ["in events", events],
  ])("%s that is larger than is read is not held, and the upstream need not go on", async (_how, type) => {
    const { reply, said, outcomes } = await replying({ visible });
    reply.head(200, [type]);
    for (let chunks = 0; chunks < 5; chunks += 1) reply.data(Buffer.alloc(1024 * 1024, "x"));
    expect([said.abandoned, outcomes.length]).toEqual([1, 1]);
  });

  it("is not looked for where none was asked for", async () => {
    const { agent, say } = await replying();
    await say([json], listed("drop"));
    expect(agent.body).toBe(listed("drop"));
  });
});

describe("a reply that fails", () => {
  const away = new ServiceError("unavailable", "orders could not be reached (connect)");

  it("before its head is answered in the agent's own protocol, with whether to try again", async () => {
    const { agent, reply, agentKnows, outcomes } = await replying();
    reply.fail(away, false);
    await agentKnows();
    expect(agent.head?.status).toBe(200);
    expect(JSON.parse(agent.body)).toMatchObject({
      error: { data: { sallyport: { source: "upstream", retryable: true } } },
    });
    expect(outcomes).toMatchObject([{ status: undefined, error: away }]);
  });

  it("after its head fails the exchange: half an answer is not taken for a whole one", async () => {
    const { agent, reply, agentKnows, outcomes } = await replying();
    reply.head(200, [json]);
    reply.data(Buffer.from('{"a":'));
    reply.fail(away);
    await agentKnows();
    expect([agent.ended, agent.error]).toEqual([false, expect.objectContaining({ code: "unavailable" })]);
    expect(outcomes).toMatchObject([{ status: 200, error: away }]);
  });

  it("because the grant has ended is no answer of the upstream's, not even before the head", async () => {
    const { agent, reply, agentKnows } = await replying();
    reply.fail(new ServiceError("unauthenticated", "the grant has ended"));
    await agentKnows();
    expect([agent.head, agent.error?.code]).toEqual([undefined, "unauthenticated"]);
  });

  it("is over: what the upstream says later goes nowhere, and its end is told once", async () => {
    const { agent, reply, agentKnows, outcomes, said } = await replying();
    reply.head(200, [json]);
    reply.fail(away);
    await agentKnows();
    expect(reply.data(Buffer.from("more"))).toBe(true);
    reply.end();
    reply.fail(away);
    reply.cancelled();
    await turn();
    expect([agent.body, agent.ended, outcomes.length, said.abandoned]).toEqual(["", false, 1, 0]);
  });
});

describe("an agent that goes", () => {
  it.each([
    ["plain", []],
    ["packed", [gzip]],
  ] as [string, Header[]][])(
    "ends a %s reply once, as cancelled, and hears nothing more",
    async (_how, encoding) => {
      const { agent, reply, outcomes } = await replying();
      reply.head(200, [json, ...encoding]);
      await seen(() => agent.head);
      agent.goes();
      await seen(() => outcomes.length > 0);
      reply.data(encoding.length === 0 ? Buffer.from("late") : gzipSync("late"));
      reply.end();
      for (let turns = 0; turns < 10; turns += 1) await turn();
      expect(outcomes).toMatchObject([{ status: 200, error: undefined, cancelled: true }]);
      expect([agent.body, agent.ended, agent.error]).toEqual(["", false, undefined]);
    },
  );
});

describe("an agent that does not keep up", () => {
  const windowBytes = 64 * 1024;
  /** Text that does not pack to less than half of itself. */
  const body = randomBytes(1024 * 1024).toString("hex");

  it.each([
    ["plain", false],
    ["packed", true],
  ])("holds a %s upstream back at its window, and gets all of it once it reads on", async (_how, packed) => {
    const waiting: (() => void)[] = [];
    const resume = () => {
      for (const go of waiting.splice(0)) go();
    };
    const { agent, reply, agentKnows, said } = await replying({ resume }, { windowBytes });
    agent.reads = false;
    const wire = packed ? gzipSync(body) : Buffer.from(body);
    reply.head(200, packed ? [json, gzip] : [json]);
    let sent = 0;
    const upstream = (async () => {
      for (; sent < wire.length; sent += 16 * 1024) {
        if (!reply.data(wire.subarray(sent, sent + 16 * 1024)))
          await new Promise<void>((go) => waiting.push(go));
      }
      reply.end();
    })();
    await seen(() => waiting.length > 0 && agent.untaken === windowBytes);
    for (let turns = 0; turns < 50; turns += 1) await turn();
    // What has been said and not taken is in the unpacker's own buffers, and those are small.
    expect([agent.body.length, sent < 256 * 1024]).toEqual([windowBytes, true]);
    agent.takes();
    await upstream;
    await agentKnows();
    expect([agent.ended, agent.body === body]).toEqual([true, true]);
    // Nothing was pressed on an exchange that had asked to wait: it would have had to keep all of it.
    expect(said.pressed).toBe(0);
  });
});
