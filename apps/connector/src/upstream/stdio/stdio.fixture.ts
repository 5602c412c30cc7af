import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceError } from "@sallyport/contracts";
import type { Header } from "@sallyport/egress";
import type { Lease, Upstream, UpstreamCall, UpstreamReply, UpstreamRequest } from "@sallyport/gate";
import { readMessage, routingHeaders, SseSplitter, sseData } from "@sallyport/mcp";
import { compileScrub } from "@sallyport/scrub";
import type { StdioServer } from "../../config.ts";

/** What an HTTP client would have got. */
export class Recorder implements UpstreamReply {
  status: number | undefined;
  headers: readonly Header[] = [];
  readonly #chunks: Uint8Array[] = [];
  ended = false;
  heads = 0;
  failures: { error: ServiceError; reached: boolean }[] = [];
  /** Answered to `data`: false is an agent that does not keep up. */
  keepsUp = true;

  head(status: number, headers: readonly Header[]): void {
    this.heads += 1;
    this.status = status;
    this.headers = headers;
  }

  data(chunk: Uint8Array): boolean {
    this.#chunks.push(chunk);
    return this.keepsUp;
  }

  end(): void {
    this.ended = true;
  }

  fail(error: ServiceError, reached: boolean): void {
    this.failures.push({ error, reached });
  }

  get body(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get over(): boolean {
    return this.ended || this.failures.length > 0;
  }

  header(name: string): string | undefined {
    return this.headers.find(([key]) => key === name)?.[1];
  }

  /** The messages so far, of either kind of body. */
  get messages(): Record<string, unknown>[] {
    if (this.header("content-type") === "application/json")
      return this.ended ? [JSON.parse(this.body.toString()) as Record<string, unknown>] : [];
    const step = new SseSplitter({ maxEventBytes: 64 * 1024 * 1024 }).push(this.body);
    const events = step.ok ? step.events : [];
    return events.map(({ raw }) => JSON.parse(sseData(raw) ?? "null") as Record<string, unknown>);
  }

  get raw(): string {
    return this.body.toString();
  }
}

export interface Ask {
  method?: "POST" | "GET" | "DELETE";
  session?: string | undefined;
  principal?: string;
  lease?: Lease | undefined;
  /** Sent as it is. */
  raw?: string;
  headers?: readonly Header[];
}

/** One HTTP request to the upstream, read as the gate reads it. */
export function ask(
  upstream: Upstream,
  message: unknown,
  options: Ask = {},
): UpstreamCall & { reply: Recorder } {
  const reply = new Recorder();
  const method = options.method ?? "POST";
  const body = Buffer.from(method === "POST" ? (options.raw ?? JSON.stringify(message)) : "");
  const headers = options.headers ?? [];
  const reading =
    method === "POST"
      ? readMessage(body, { headers: routingHeaders(headers), limits: { maxBytes: 64 * 1024 * 1024 } })
      : undefined;
  if (reading && !reading.ok) throw new Error(`the test's message is refused: ${reading.refusal.message}`);
  const request: UpstreamRequest = {
    method,
    headers,
    body,
    session: options.session,
    leaseSession: options.lease?.session ?? "lease-session",
    messages: reading?.messages ?? [],
    principal: options.principal ?? "agent-1",
    lease: options.lease,
    credential: () => Promise.reject(new Error("it leases nothing by itself")),
    work: undefined,
    ask: () => Promise.reject(new Error("it asks nothing")),
    who: { agent: "a", user: undefined, grant: "g" },
    trace: undefined,
  };
  const call = upstream.send(request, reply);
  return { cancel: () => call.cancel(), resume: () => call.resume(), reply };
}

export function initialize(id: number | string = 0) {
  return {
    jsonrpc: "2.0",
    id,
    method: "initialize",
    params: {
      protocolVersion: "2025-11-25",
      capabilities: { sampling: {}, roots: {}, elicitation: {} },
      clientInfo: { name: "test", version: "1" },
    },
  };
}

export function call(
  id: number | string,
  name: string,
  more: { args?: object; token?: number | string } = {},
) {
  const meta = more.token === undefined ? {} : { _meta: { progressToken: more.token } };
  return {
    jsonrpc: "2.0",
    id,
    method: "tools/call",
    params: { name, arguments: more.args ?? {}, ...meta },
  };
}

/** A request of the wire without sessions. */
export function modern(id: number | string, method: string, params: Record<string, unknown> = {}) {
  const { _meta, ...rest } = params;
  const meta = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    ...(_meta as object | undefined),
  };
  return { jsonrpc: "2.0", id, method, params: { ...rest, _meta: meta } };
}

export function modernHeaders(method: string, name?: string): Header[] {
  return [
    ["mcp-protocol-version", "2026-07-28"],
    ["mcp-method", method],
    ...(name === undefined ? [] : ([["mcp-name", name]] as Header[])),
  ];
}

export function leaseOf(value: string, more: Partial<Lease> = {}): Lease {
  const material = { value: Buffer.from(value), username: "v-user-1" };
  return {
    id: `lease-${value}`,
    credential: "database",
    session: "lease-session",
    material,
    scrubber: compileScrub([{ name: "database", ...material }]),
    expiresAt: Date.now() + 3_600_000,
    ...more,
  };
}

/** Folder of small servers, removed by `remove`. */
export class Scripts {
  readonly folder = mkdtempSync(join(tmpdir(), "sallyport-stdio-"));

  /** A server in JavaScript. `line(message, say)` handles each message; `say` writes one. */
  server(name: string, code: string): StdioServer {
    const file = join(this.folder, `${name}.mjs`);
    writeFileSync(
      file,
      `import { createInterface } from "node:readline";
const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\\n");
const hello = (id) => say({ id, result: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: ${JSON.stringify(name)}, version: "1" } } });
const text = (id, value) => say({ id, result: { content: [{ type: "text", text: String(value) }] } });
const serve = (handle) => createInterface({ input: process.stdin, crlfDelay: Infinity }).on("line", (line) => handle(JSON.parse(line), line));
${code}`,
    );
    return config({ command: process.execPath, args: [file] });
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function config(more: Partial<StdioServer> & { command: string }): StdioServer {
  return { args: [], env: {}, maxSessions: 32, ...more } as StdioServer;
}

/** Polls; a test that waits for what never comes says for what. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false,
  within = 10_000,
): Promise<T> {
  const end = performance.now() + within;
  for (;;) {
    const seen = probe();
    if (seen !== undefined && seen !== false) return seen;
    if (performance.now() > end) throw new Error(`${what} did not happen within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** A process that runs; a zombie does not. */
export function alive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}

/** What an upstream said to the connector's log and leases. */
export function recordingDeps() {
  const logged: { level: string; fields: object; message: string }[] = [];
  const pinned: string[] = [];
  const ended: string[] = [];
  return {
    logged,
    pinned,
    ended,
    leases: {
      pin: (session: string) => void pinned.push(session),
      end: async (session: string) => void ended.push(session),
    },
    log: {
      warn: (fields: object, message: string) => void logged.push({ level: "warn", fields, message }),
      debug: (fields: object, message: string) => void logged.push({ level: "debug", fields, message }),
    },
  };
}

/** A session that has begun, of a server that answers `initialize`. */
export async function begin(upstream: Upstream, options: Ask = {}): Promise<string> {
  const { reply } = ask(upstream, initialize(), options);
  await eventually("the answer to initialize", () => reply.over);
  const session = reply.header("mcp-session-id");
  if (session === undefined) throw new Error(`no session: ${reply.failures[0]?.error.detail ?? reply.raw}`);
  ask(upstream, { jsonrpc: "2.0", method: "notifications/initialized" }, { ...options, session });
  return session;
}

/** The text of a tool's result. */
export function textOf(reply: Recorder): string {
  const result = reply.messages.at(-1)?.result as { content: { text: string }[] } | undefined;
  return result?.content[0]?.text ?? "";
}

/** A call that has been answered. */
export async function answered(upstream: Upstream, message: unknown, options: Ask): Promise<Recorder> {
  const { reply } = ask(upstream, message, options);
  await eventually("the answer", () => reply.over);
  return reply;
}
