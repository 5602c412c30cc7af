import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import type { NatsConnection } from "@nats-io/transport-node";
import { FORM_NAMES } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, requestOn, toolCall, wires } from "./call.fixture.ts";
import { connectV1 } from "./clients.fixture.ts";
import { type Process, processes } from "./processes.fixture.ts";
import { secretSearch } from "./secret-search.fixture.ts";
import { filesOf, rowsOf, tapAll } from "./traces.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = 'sk-stdio/7+e=1"b~Yp5$jW9v';
const search = secretSearch({ secret });
/** In the same environment, but no secret: where it is found, the search looks at what the server told. */
const plant = "planted-stdio-66bb02";
const planted = secretSearch({ planted: plant });
const digestOf = (text: string) => createHash("sha256").update(text).digest("hex");

const forms = pathToFileURL(join(import.meta.dirname, "../../examples/servers/reflector/forms.ts")).href;
/** A server that tells its whole environment in every answer, in the form that it is asked for. */
const tellAll = `
import { createHash } from "node:crypto";
import { createInterface } from "node:readline";
import { FORMS } from ${JSON.stringify(forms)};
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
const all = (form = "raw") => JSON.stringify(process.env) + " " + FORMS[form](process.env.API_TOKEN);
const digest = createHash("sha256").update(process.env.API_TOKEN).digest("hex");
const initialized = { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "tell-all", version: "1" }, instructions: all() };
const tools = [{ name: "tell", description: all(), inputSchema: { type: "object" } }];
const places = {
  text: (text) => ({ result: { content: [{ type: "text", text }] } }),
  structured: (text) => ({ result: { content: [], structuredContent: { [text]: { ...process.env } } } }),
  error: (text) => ({ error: { code: -32000, message: text, data: process.env } }),
};
createInterface({ input: process.stdin }).on("line", (line) => {
  const { id, method, params } = JSON.parse(line);
  if (id === undefined) return;
  if (method === "initialize") return say({ id, result: initialized });
  if (method === "tools/list") return say({ id, result: { tools } });
  const { in: place = "text", form, die } = params?.arguments ?? {};
  console.error(all(form));
  if (die) process.exit(1);
  say({ method: "notifications/message", params: { level: "info", data: all(form) } });
  say({ id, ...places[place](all(form) + " sha256:" + digest) });
});
`;

let stack: Stack;
let tap: NatsConnection;
/** Everything that a client got, headers and bodies. */
const received: string[] = [];
/** Every message that passed NATS. */
const carried: string[] = [];
/** Every process of this machine, while the servers ran. */
let ran: Process[];

beforeAll(async () => {
  stack = await startTunnel({
    routes: {},
    more: {
      secrets: { "sallyport/told": { token: secret } },
      servers: () => ({
        told: {
          command: process.execPath,
          args: ["--input-type=module", "--eval", tellAll],
          env: { PLANT: plant },
          credential: { name: "told", place: { in: "env", variables: { API_TOKEN: "value" } } },
        },
      }),
      credentials: { told: { kind: "kv", path: "sallyport/told", field: "token" } },
      leaseRules: [{ id: "told", credential: "told", servers: ["told"], agents: "*", maxTtlSeconds: 3600 }],
      policies: { "test.cedar": '@id("all") permit(principal, action, resource in Server::"told");' },
    },
  });
  tap = await tapAll(stack, { into: carried, mayPublish: `tap.${plant}` });
  await callInEveryWay();
}, 90_000);
afterAll(async () => {
  await tap?.close();
  await stack?.stop();
});

/** Both wires, each with a process of its own; while both run, the machine's processes are looked at. Then one dies talking. */
async function callInEveryWay(): Promise<void> {
  const to = { server: "told", token: await stack.token("told") };
  const { client, transport } = await connectV1(stack, to);
  received.push(JSON.stringify(client.getInstructions()));
  for (const wire of wires) {
    const session = wire === "2025-11-25" ? { "mcp-session-id": transport.sessionId ?? "" } : {};
    const take = async (post: ReturnType<typeof toolCall>) => {
      const headers = { ...post.headers, ...session };
      const { status, headers: answered, text } = await ask(stack, to, { ...post, headers });
      received.push(`${wire} ${status} ${JSON.stringify([...answered])} ${text}`);
    };
    await take(requestOn(wire, "tools/list"));
    for (const place of ["text", "structured", "error"]) {
      for (const form of FORM_NAMES) await take(toolCall(wire, "tell", { in: place, form }));
    }
    if (wire === wires.at(-1)) ran = processes();
  }
  received.push(JSON.stringify(await client.callTool({ name: "tell", arguments: {} })));
  const dying = client.callTool({ name: "tell", arguments: { die: true } });
  received.push(await dying.then(JSON.stringify, (error: unknown) => `died: ${String(error)}`));
  await client.close();
  // Spans are sent in batches: the trace of one more call is the sign that all before it are there.
  const trace = "5a12".repeat(8);
  const post = toolCall("2026-07-28", "tell");
  const headers = { ...post.headers, traceparent: `00-${trace}-${"ab".repeat(8)}-01` };
  await ask(stack, to, { ...post, headers });
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
const isServer = ({ commandLine }: Process) =>
  commandLine.includes("--eval\0") && commandLine.includes("all()");

describe("after calls to a server that was started with its credential and tells everybody, the credential", () => {
  it("was with the server: there was something to leak", () => {
    expect(received.filter((text) => text.includes(`sha256:${digestOf(secret)}`)).length).toBeGreaterThan(20);
  });

  it("is in nothing that a client received, though the rest of the environment is", () => {
    expect(findings(numbered(received))).toEqual([]);
    expect(
      received.filter((text) => text.includes(plant) && text.includes("redacted")).length,
    ).toBeGreaterThan(20);
    expect(received.some((text) => text.startsWith("died: "))).toBe(true);
  });

  it("is in the environment of the server's processes and of no other on the machine, and in no command line", () => {
    const holders = ran.filter(({ environment }) => search(environment).length > 0);
    expect(holders.filter((one) => !isServer(one)).map(({ commandLine }) => commandLine)).toEqual([]);
    expect(ran.filter(isServer).length).toBe(2);
    expect(holders.length).toBe(2);
    expect(findings(ran.map(({ commandLine, pid }) => [String(pid), commandLine]))).toEqual([]);
    for (const { pid } of stack.zones.values()) expect(ran.map((one) => one.pid)).toContain(pid);
  });

  it("is in no message that passed NATS", async () => {
    for (const subject of ["audit.v1.", "telemetry.v1.", "broker.v1."]) {
      expect(
        carried.some((message) => message.startsWith(subject)),
        subject,
      ).toBe(true);
    }
    expect(findings(numbered(carried))).toEqual([]);
    tap.publish(`tap.${plant}`, plant);
    await until(
      "the tap hearing what was planted",
      () => carried.some((message) => message.startsWith("tap.") && planted(message).length > 0),
      {
        within: 5_000,
      },
    );
  });

  it("is in no row of the collector's store", () => {
    const rows = rowsOf(stack);
    expect(rows.length).toBeGreaterThan(100);
    expect(findings(numbered(rows))).toEqual([]);
  });

  it("is in no file, the connector's log with the server's last words among them", async () => {
    const read = (await filesOf(stack)).map(
      (path) => [relative(stack.dir, path), readFileSync(path)] as const,
    );
    expect(findings(read)).toEqual([]);
    const log = read.find(([path]) => path.endsWith("connector-connector-1.log"))?.[1].toString() ?? "";
    const words = log.split("\n").filter((line) => line.includes("a server's process failed"));
    expect(words.length).toBe(1);
    expect(words.flatMap(planted)).toContain("planted raw");
    expect(words.join()).toContain("redacted");
  });
});
