import { readFile } from "node:fs/promises";
import {
  FORM_NAMES,
  FORMS,
  type Reflector,
  startEverythingV1,
  startReflector,
} from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { provisionStreams } from "@sallyport/infra-nats";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, requestOn, textOf, toolCall, wires } from "./call.fixture.ts";
import { type Door, doorTo, type WebServer, webServer } from "./doors.fixture.ts";
import { natsUser } from "./nats.fixture.ts";
import { secretSearch } from "./secret-search.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = 'sk-live/9+f=2"c~Zq7$kX0w';
const everythingToken = "everything-token-41c7d0";
const search = secretSearch({ secret });

const policy = `
@id("open") permit(principal, action, resource in Server::"open");
@id("loud") permit(principal, action, resource in Server::"loud");
@id("named") permit(principal, action, resource in Server::"named");
@id("events-connect") permit(principal, action in Action::"connect", resource in Server::"events");
@id("events-echo") permit(principal, action == Action::"tools/call", resource == Tool::"events/test_echo");
@id("few-connect") permit(principal, action in Action::"connect", resource in Server::"few");
@id("few-plain") permit(principal, action == Action::"tools/call", resource == Tool::"few/plain");
@id("few-stream") permit(principal == Agent::"other-agent", action == Action::"tools/call", resource == Tool::"few/stream");
@id("no-shouting") @reason("texts are lower case")
forbid(principal, action == Action::"tools/call", resource == Tool::"few/plain")
when { context.arguments.text like "*LOUD*" };
`;

let stack: Stack;
let open: Reflector;
let few: Reflector;
let fewDoor: Door;
let loud: WebServer;
let elsewhere: WebServer;
let named: Reflector;
let namedDoor: Door;
let events: Awaited<ReturnType<typeof startEverythingV1>>;
const tokens: Record<string, string> = {};

beforeAll(async () => {
  open = await startReflector({ token: secret });
  few = await startReflector();
  fewDoor = await doorTo(few.url);
  named = await startReflector();
  namedDoor = await doorTo(named.url);
  events = await startEverythingV1({ token: everythingToken });
  elsewhere = await webServer((_request, response) => response.end("{}"));
  loud = await webServer((request, response) => {
    const credential = request.headers.authorization ?? "";
    response.writeHead(200, {
      "content-type": "application/json",
      "set-cookie": ["a=1", `session=${secret}`],
      "www-authenticate": `Bearer realm="${credential.slice(7).replaceAll('"', "")}"`,
      location: "http://127.0.0.1:9/elsewhere",
      server: "private/1.0",
      "x-powered-by": "secrets",
      "alt-svc": 'h2=":9"',
      "content-security-policy": "none",
      "retry-after": "7",
    });
    response.end(JSON.stringify({ jsonrpc: "2.0", id: 1, result: { content: [] } }));
  });
  stack = await startTunnel({
    policy,
    routes: {
      open: { url: open.url, secret },
      few: { url: fewDoor.url, secret },
      loud: { url: loud.url, secret },
      named: { url: namedDoor.url.replace("127.0.0.1", "localhost"), secret },
      events: { url: events.url, secret: everythingToken },
    },
  });
  for (const server of ["open", "few", "loud", "named", "events"]) tokens[server] = await stack.token(server);
});
afterAll(async () => {
  await stack?.stop();
  for (const one of [open, few, fewDoor, loud, elsewhere, named, namedDoor, events]) await one?.close();
});

const to = (server: string) => ({ server, token: tokens[server] ?? "" });

/** How often Vault was asked for the credential of a server. */
async function vaultReads(server: string): Promise<number> {
  const log = await readFile(stack.vault.auditFile, "utf8");
  const path = `secret/data/sallyport/${server}`;
  return log.split("\n").filter((line) => line.includes('"type":"request"') && line.includes(`"${path}"`))
    .length;
}

describe.each(wires)("a call that policy denies, on the wire of %s", (wire) => {
  it("leaves no packet at the upstream, and its error names the rule and the reason", async () => {
    const connections = fewDoor.connections();
    const { requests } = few.seen();
    const { status, message } = await ask(stack, to("few"), toolCall(wire, "plain", { text: "so LOUD" }));
    expect(status).toBe(200);
    expect(message).toMatchObject({
      id: 1,
      error: {
        code: -31403,
        message: 'Denied by policy rule "no-shouting": texts are lower case',
        data: {
          sallyport: {
            code: "denied",
            rule: "no-shouting",
            reason: "texts are lower case",
            retryable: false,
          },
        },
      },
    });
    expect(few.seen().requests).toBe(requests);
    expect(fewDoor.connections()).toBe(connections);
  });

  it("is denied by default where no rule speaks of the tool", async () => {
    const { requests } = few.seen();
    const { message } = await ask(stack, to("few"), toolCall(wire, "flood"));
    expect(message.error?.code).toBe(-31403);
    expect(message.error?.data?.sallyport?.code).toBe("denied");
    expect(few.seen().requests).toBe(requests);
  });

  it("passes with arguments that no rule forbids", async () => {
    const reply = await ask(stack, to("few"), toolCall(wire, "plain", { text: "quiet" }));
    expect(textOf(reply)).toBe("quiet");
  });

  it("is denied where the argument that a rule reads is missing or of another type", async () => {
    const { requests } = few.seen();
    for (const args of [{}, { text: ["LOUD"] }, { text: { a: 1 } }]) {
      const { message } = await ask(stack, to("few"), toolCall(wire, "plain", args));
      expect(message.error?.code).toBe(-31403);
    }
    expect(few.seen().requests).toBe(requests);
  });

  it("shows in tools/list only what this principal could call", async () => {
    const list = async (token: string) => {
      const { message } = await ask(stack, { server: "few", token }, requestOn(wire, "tools/list"));
      return message.result?.tools?.map((tool) => tool.name);
    };
    expect(await list(tokens.few ?? "")).toEqual(["plain"]);
    expect(await list(await stack.token("few", { client: "other-agent" }))).toEqual(["plain", "stream"]);
  });
});

it("filters a tools/list that comes as an event stream", async () => {
  const initialize = requestOn("2025-11-25", "initialize");
  const { headers } = await ask(stack, to("events"), {
    headers: initialize.headers,
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
    }),
  });
  const session = { "mcp-session-id": headers.get("mcp-session-id") ?? "" };
  const list = requestOn("2025-11-25", "tools/list");
  const reply = await ask(stack, to("events"), { ...list, headers: { ...list.headers, ...session } });
  expect(reply.headers.get("content-type")).toBe("text/event-stream");
  expect(reply.message.result?.tools?.map((tool) => tool.name)).toEqual(["test_echo"]);
});

describe("a call without an audit log", () => {
  it("uses no credential, says unavailable, and works again when the log is back", async () => {
    const call = toolCall("2025-11-25", "plain", { text: "recorded" });
    const fresh = { server: "open", token: await stack.token("open", { client: "other-agent" }) };
    expect(textOf(await ask(stack, to("open"), call))).toBe("recorded");
    const vandal = await natsUser(stack, "vandal", {
      pub: { allow: ["$JS.API.STREAM.DELETE.AUDIT"] },
      sub: { allow: ["_INBOX.>"] },
    });
    const { requests } = open.seen();
    const reads = await vaultReads("open");
    try {
      await vandal.request("$JS.API.STREAM.DELETE.AUDIT", "");
      // One that holds a live lease already, and one for whom it would have to be fetched.
      for (const caller of [to("open"), fresh]) {
        const { message } = await ask(stack, caller, call);
        expect(message.error).toMatchObject({
          code: -31503,
          data: { sallyport: { code: "unavailable", retryable: true } },
        });
      }
      expect(open.seen().requests).toBe(requests);
      expect(await vaultReads("open")).toBe(reads);
    } finally {
      await vandal.close();
      await provisionStreams({
        servers: [stack.nats.url],
        creds: await stack.material.provisionerCreds(),
        maxBytes: { log: 256 * 1024 ** 2, bucket: 64 * 1024 ** 2 },
      });
    }
    for (const caller of [to("open"), fresh]) {
      await until(
        "the log taking records",
        async () => textOf(await ask(stack, caller, call)) === "recorded",
        {
          within: 10_000,
        },
      );
    }
    expect(await vaultReads("open")).toBe(reads + 1);
  });
});

describe("the credential stays on its route", () => {
  it.each([301, 302, 303, 307, 308])("when the upstream answers %i to another place", async (status) => {
    for (const location of [elsewhere.url, "/elsewhere", "//127.0.0.1:9/"]) {
      const { message } = await ask(
        stack,
        to("open"),
        toolCall("2025-11-25", "redirect", { status, location }),
      );
      expect(message.error).toMatchObject({
        code: -31503,
        data: { sallyport: { source: "upstream", retryable: false } },
      });
      expect(message.error?.message).toContain("redirect");
    }
    expect(elsewhere.connections()).toBe(0);
    expect(open.seen().recent.filter(({ path }) => path !== "/mcp")).toEqual([]);
  });

  it("when the route's name leads to a loopback address", async () => {
    const { message } = await ask(stack, to("named"), toolCall("2025-11-25", "plain", {}));
    expect(message.error).toMatchObject({ code: -31503, data: { sallyport: { source: "upstream" } } });
    expect(message.error?.message).toContain("address-refused");
    expect(namedDoor.connections()).toBe(0);
    expect(named.seen().requests).toBe(0);
  });
});

describe("what comes back", () => {
  const places = ["text", "rpc-error", "sse", "http-error"] as const;
  const encodings = ["identity", "gzip", "br", "deflate"] as const;

  it.each(FORM_NAMES)("holds no secret written as %s, wherever and however packed", async (form) => {
    const cases = places.flatMap((place) => encodings.map((encoding) => ({ in: place, form, encoding })));
    await Promise.all(
      cases.map(async (args) => {
        const reply = await ask(stack, to("open"), toolCall("2025-11-25", "echo", args));
        expect(reply.status, JSON.stringify(args)).toBe(args.in === "http-error" ? 500 : 200);
        expect(reply.text.length, JSON.stringify(args)).toBeGreaterThan(10);
        expect(reply.text).not.toContain(FORMS[form](secret));
        expect(search(reply.text)).toEqual([]);
        expect(reply.headers.get("content-encoding")).toBeNull();
        if (args.in === "http-error") return;
        // Still JSON, with a message inside, and its texts hold the secret no more than its bytes do.
        expect(reply.message.result ?? reply.message.error, reply.text).toBeDefined();
        expect(textsIn(reply.message).flatMap(search)).toEqual([]);
        expect(reply.text).toContain("redacted");
      }),
    );
  });

  it("holds no secret that comes a few bytes at a time", async () => {
    const cases = (["raw", "base64+1", "percent", "json-unicode", "basic"] as const).flatMap((form) =>
      [{}, { sse: true }, { encoding: "gzip" }].map((more) => ({ form, chunkBytes: 5, delayMs: 0, ...more })),
    );
    for (const reply of await Promise.all(
      cases.map((args) => ask(stack, to("open"), toolCall("2025-11-25", "dribble", args))),
    )) {
      expect(search(reply.text)).toEqual([]);
      expect(textOf(reply)).toMatch(/^before .*after$/);
    }
  });

  it("is refused where it is packed in a way that cannot be checked", async () => {
    const reply = await ask(stack, to("open"), toolCall("2025-11-25", "echo", { encoding: "zstd" }));
    expect(reply.message.error?.data?.sallyport).toMatchObject({ code: "internal", source: "upstream" });
    expect(search(reply.text)).toEqual([]);
  });

  it.each(wires)(
    "brings no header of the upstream that is not on the list, on the wire of %s",
    async (wire) => {
      const { headers, status } = await ask(stack, to("loud"), toolCall(wire, "anything"));
      expect(loud.requests.at(-1)?.headers.authorization).toBe(`Bearer ${secret}`);
      expect(status).toBe(200);
      expect(headers.get("retry-after")).toBe("7");
      const ofHttp = ["connection", "content-length", "date", "keep-alive", "transfer-encoding"];
      expect([...headers.keys()].filter((name) => !ofHttp.includes(name))).toEqual([
        "content-type",
        "retry-after",
      ]);
    },
  );

  it.each(["header", "cookie"])("brings no %s that the upstream put the secret into", async (place) => {
    const { headers } = await ask(stack, to("open"), toolCall("2025-11-25", "echo", { in: place }));
    expect(search(JSON.stringify([...headers]))).toEqual([]);
    expect(headers.has("x-reflected") || headers.has("set-cookie")).toBe(false);
  });
});

/** Every text of a JSON value, keys too. */
function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) => [key, ...textsIn(one)]);
}
