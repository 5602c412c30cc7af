import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { FORM_NAMES, type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, requestOn, send, toolCall, wires } from "./call.fixture.ts";
import { connectV1, connectV2 } from "./clients.fixture.ts";
import { processTree } from "./processes.fixture.ts";
import { secretSearch } from "./secret-search.fixture.ts";
import { filesOf, rowsOf, tapAll } from "./traces.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secrets = {
  bearer: 'sk-live/9+f=2"c~Zq7$kX0w',
  key: "key_7d0c1f9ab2e4",
  query: "q%7 d&0=c1/9+ab2e4",
  basic: "pa:ss/w+rd-0c44f1",
};
const search = secretSearch(secrets);
/** A secret that is planted in every place, to show that what is searched there would be found. */
const planted = secretSearch({ planted: "planted-secret-55aa01" });
const plant = "planted-secret-55aa01";

const policy = `
@id("all") permit(principal, action, resource in Server::"bearer");
@id("all-key") permit(principal, action, resource in Server::"key");
@id("all-query") permit(principal, action, resource in Server::"query");
@id("all-basic") permit(principal, action, resource in Server::"basic");
@id("no-flood") @reason("too much") forbid(principal, action == Action::"tools/call", resource == Tool::"bearer/flood");
`;

let stack: Stack;
let reflector: Reflector;
/** A request of each route as the upstream saw it. */
const arrived: string[] = [];
/** Everything that a client got, headers and bodies. */
const received: string[] = [];
/** Every message that passed NATS, subject, headers and payload. */
const carried: string[] = [];
let tap: Awaited<ReturnType<typeof tapAll>>;
let ran: { commandLine: string; environment: string }[];

beforeAll(async () => {
  reflector = await startReflector();
  const routes = {
    bearer: { url: reflector.url, secret: secrets.bearer },
    key: { url: reflector.url, secret: secrets.key, place: { in: "header", name: "x-api-key" } },
    query: { url: reflector.url, secret: secrets.query, place: { in: "query", name: "token" } },
    basic: { url: reflector.url, secret: secrets.basic, username: "svc", place: { in: "basic" } },
  };
  stack = await startTunnel({ routes, policy });
  tap = await tapAll(stack, { into: carried, mayPublish: `tap.${plant}` });
  await callInEveryWay();
  ran = processTree([...stack.zones.values()].map(({ pid }) => pid));
  await telemetryArrived();
}, 90_000);
afterAll(async () => {
  await tap?.close();
  await stack?.stop();
  await reflector?.close();
});

async function callInEveryWay(): Promise<void> {
  const take = async (server: string, post: Parameters<typeof ask>[2], token?: string) => {
    const to = { server, token: token ?? (await stack.token(server)) };
    const { status, headers, text } = await ask(stack, to, post);
    received.push(`${status} ${JSON.stringify([...headers])} ${text}`);
  };
  const from = { bearer: "bearer", key: "x-api-key", query: "x-nothing", basic: "basic-password" };
  for (const [server, source] of Object.entries(from)) {
    const token = await stack.token(server);
    for (const wire of wires) {
      await take(server, requestOn(wire, "tools/list"), token);
      await take(server, toolCall(wire, "plain", { text: plant }), token);
      arrived.push(JSON.stringify(reflector.seen().recent.at(-1)));
      for (const place of ["text", "header", "sse", "rpc-error", "http-error", "cookie"]) {
        await Promise.all(
          FORM_NAMES.map((form) =>
            take(server, toolCall(wire, "echo", { in: place, form, from: source }), token),
          ),
        );
      }
    }
    for (const encoding of ["gzip", "br", "deflate", "zstd"]) {
      await take(server, toolCall("2025-11-25", "echo", { encoding, from: source }), token);
    }
    for (const sse of [true, false]) {
      await take(
        server,
        toolCall("2025-11-25", "dribble", { chunkBytes: 3, delayMs: 0, sse, form: "base64" }),
        token,
      );
    }
    await take(server, toolCall("2025-11-25", "redirect", { location: "/elsewhere" }), token);
    await take(server, toolCall("2025-11-25", "reset", { afterBytes: 10 }), token).catch(() => undefined);
    await take(server, toolCall("2025-11-25", "stream", { events: 3, intervalMs: 1 }), token);
    await take(server, toolCall("2025-11-25", plant, {}), token);
    await take(server, { headers: {}, body: "{ not json" }, token);
    await take(server, toolCall("2025-11-25", "plain"), "not.a.token");
    await take(
      server,
      { headers: { "mcp-session-id": "connector-1.abc" }, body: toolCall("2025-11-25", "x").body },
      token,
    );
  }
  await take("bearer", toolCall("2025-11-25", "flood"));
  const cancelled = new AbortController();
  const hang = toolCall("2025-11-25", "hang", { after: "half" });
  const to = { server: "bearer", token: await stack.token("bearer"), signal: cancelled.signal };
  await send(stack, to, hang);
  cancelled.abort();
  for (const connect of [connectV1, connectV2]) {
    const { client } = await connect(stack, to);
    received.push(JSON.stringify(await client.listTools()));
    received.push(JSON.stringify(await client.callTool({ name: "echo", arguments: { form: "basic" } })));
    await client.close();
  }
}

/** Spans are sent in batches: the trace of one more call is the sign that all before it are there. */
async function telemetryArrived(): Promise<void> {
  const trace = "5a11".repeat(8);
  const post = toolCall("2025-11-25", "plain", {});
  const headers = { ...post.headers, traceparent: `00-${trace}-${"ab".repeat(8)}-01` };
  await ask(stack, { server: "bearer", token: await stack.token("bearer") }, { ...post, headers });
  await until("the last call's spans", () => rowsOf(stack).filter((row) => row.includes(trace)).length >= 4, {
    within: 15_000,
    every: 200,
  });
}

/** What was found, and where; never the text itself. */
function findings(texts: readonly (readonly [where: string, text: string | Uint8Array])[]): string[] {
  return texts.flatMap(([where, text]) => search(text).map((found) => `${where}: ${found}`));
}

const numbered = (texts: readonly string[]) => texts.map((text, at) => [String(at), text] as const);

describe("after calls of every kind, the credential of the upstream", () => {
  it("did reach the upstream: there was something to leak", () => {
    const found = new Set(arrived.flatMap(search).map((name) => name.split(" ")[0]));
    expect([...found].sort()).toEqual(Object.keys(secrets).sort());
    expect(received.length).toBeGreaterThan(600);
  });

  it("is in nothing that a client received", () => {
    expect(findings(numbered(received))).toEqual([]);
    expect(received.filter((text) => text.includes("redacted")).length).toBeGreaterThan(200);
    expect(received.flatMap(planted)).toContain("planted raw");
  });

  it("is in no message that passed NATS", async () => {
    for (const subject of ["audit.v1.", "telemetry.v1.", "broker.v1.", "presence.v1."]) {
      expect(
        carried.some((message) => message.startsWith(subject)),
        subject,
      ).toBe(true);
    }
    expect(carried.length).toBeGreaterThan(1000);
    expect(findings(numbered(carried))).toEqual([]);
    tap.publish(`tap.${plant}`, plant);
    await tap.flush();
    await until(
      "the tap hearing what was planted",
      () => carried.some((message) => message.startsWith("tap.") && planted(message).length > 0),
      {
        within: 5_000,
      },
    );
  });

  it("is in no line of any process's log", async () => {
    const logs = (await filesOf(stack)).filter((path) => path.endsWith(".log"));
    for (const zone of ["edge-edge-1", "connector-connector-1", "broker-broker-1", "collector-collector-1"]) {
      expect(
        logs.some((path) => path.endsWith(`${zone}.log`)),
        zone,
      ).toBe(true);
    }
    expect(findings(logs.map((path) => [path, readFileSync(path)]))).toEqual([]);
  });

  it("is in no span, and no other row of the collector's store", () => {
    const rows = rowsOf(stack);
    expect(rows.length).toBeGreaterThan(1000);
    expect(findings(numbered(rows))).toEqual([]);
    expect(rows.flatMap(planted)).toContain("planted raw");
  });

  it("is in no file that a zone, NATS or the issuer wrote", async () => {
    const paths = await filesOf(stack);
    expect(paths.some((path) => path.endsWith("telemetry.sqlite"))).toBe(true);
    expect(paths.some((path) => path.includes("jetstream"))).toBe(true);
    const read = paths.map((path) => [relative(stack.dir, path), readFileSync(path)] as const);
    expect(findings(read)).toEqual([]);
    // The name of a tool may be on record, and one was called by the planted name.
    const found = read.filter(([, bytes]) => planted(bytes).length > 0).map(([path]) => path);
    expect(found.some((path) => path.startsWith("telemetry.sqlite"))).toBe(true);
    expect(found.some((path) => path.includes("jetstream"))).toBe(true);
  });

  it("is in no command line and no environment of a zone or of what it started", () => {
    expect(ran.length).toBeGreaterThanOrEqual(4);
    for (const { commandLine, environment } of ran) {
      expect(commandLine).toContain("main.ts\0--config");
      expect(environment).toContain("PATH=");
    }
    expect(
      findings(ran.map(({ commandLine, environment }) => [commandLine, `${commandLine} ${environment}`])),
    ).toEqual([]);
  });
});

describe("the search itself", () => {
  it.each(Object.entries(secrets))("finds the secret %s in every spelling", (_name, secret) => {
    const bytes = Buffer.from(secret);
    const spelt = [
      secret,
      ...["", ".", ".."].flatMap((before) => {
        const text = Buffer.from(`${before}${secret} and more`);
        return [text.toString("base64"), text.toString("base64url")];
      }),
      Buffer.from(`user:${secret}`).toString("base64"),
      bytes.toString("hex"),
      bytes.toString("hex").toUpperCase(),
      encodeURIComponent(secret),
      bytes.toString("hex").replace(/../g, "%$&"),
      JSON.stringify({ nested: JSON.stringify(secret) }),
    ];
    for (const text of spelt) expect(search(Buffer.from(`before ${text} after`)), text).not.toEqual([]);
  });

  it("finds nothing where nothing is", () => {
    expect(search("an innocent text of some length, sk-live and all")).toEqual([]);
  });
});
