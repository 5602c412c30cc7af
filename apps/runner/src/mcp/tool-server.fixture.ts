import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { ReadableStream as WebStream } from "node:stream/web";
import { ServiceError } from "@sallyport/contracts";
import { buildAgent, PersistentShell, SandboxClient, SandboxFiles } from "@sallyport/sandbox-agent";
import { SandboxGone } from "../sandboxes/sandbox-gone.ts";
import type { Workbench } from "../tools/tool.ts";
import type { ToolServerLimits } from "./limits.ts";
import { type Caller, openToolServer, type Sandboxes, type ToolServer } from "./tool-server.ts";

const cacheFolder = join(import.meta.dirname, "../../../../.cache/sandbox-agent");

export interface LiveBench extends Workbench, AsyncDisposable {
  readonly folder: string;
  readonly agent: ChildProcess;
}

/** A workbench over the real agent, in a folder of its own rather than in a sandbox. */
export async function liveBench(): Promise<LiveBench> {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-tools-"));
  const agent = spawn(await buildAgent({ cacheFolder }), [], {
    cwd: folder,
    env: {},
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const gone = once(agent, "exit");
  const client = new SandboxClient(agent.stdio[3] as Duplex);
  const files = new SandboxFiles(client, { cwd: folder });
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
  const shell = new PersistentShell(client, files, { cwd: folder, env, spillFolder: folder });
  return {
    folder,
    agent,
    files,
    shell,
    [Symbol.asyncDispose]: async () => {
      client.close();
      await gone;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Sandboxes of one process: each a real agent, begun at its first use. */
export class LiveSandboxes implements Sandboxes {
  readonly held = new Map<string, { caller: Caller; bench?: Promise<LiveBench> }>();
  most = 10;

  async open(caller: Caller): Promise<string> {
    if (this.held.size >= this.most) throw new ServiceError("exhausted", "no sandbox is free");
    const handle = `test.${randomBytes(12).toString("hex")}`;
    this.held.set(handle, { caller });
    return handle;
  }
  async use(handle: string, caller: Caller): Promise<LiveBench> {
    const found = this.held.get(handle);
    if (found?.caller.principal !== caller.principal) throw new SandboxGone();
    found.bench ??= liveBench();
    return await found.bench;
  }
  async end(handle: string): Promise<void> {
    const found = this.held.get(handle);
    this.held.delete(handle);
    await (await found?.bench)?.[Symbol.asyncDispose]();
  }
}

export interface Served extends AsyncDisposable {
  readonly url: URL;
  readonly sandboxes: LiveSandboxes;
  readonly tools: ToolServer;
}

/** The tool server behind HTTP on loopback; the principal is told by a header, as a gate in front would know it. */
export async function serve(limits: Partial<ToolServerLimits> = {}): Promise<Served> {
  const sandboxes = new LiveSandboxes();
  const tools = openToolServer({ sandboxes, version: "1.0.0", limits, log: { warn: () => {} } });
  const server = createServer(async (req, res) => {
    const left = new AbortController();
    res.on("close", () => left.abort());
    const headers = new Headers(Object.entries(req.headersDistinct).map(([k, v]) => [k, String(v)]));
    const body = await buffer(req);
    const request = new Request(`http://sandbox.invalid${req.url}`, { method: req.method ?? "", headers });
    const exchange = { request, body, left: left.signal };
    const caller = { principal: headers.get("x-principal") ?? "anna", pool: "sandbox" };
    const response = await tools.handle(exchange, caller).catch(() => new Response(null, { status: 500 }));
    res.writeHead(response.status, Object.fromEntries(response.headers));
    res.flushHeaders();
    if (response.body === null) res.end();
    else
      Readable.fromWeb(response.body as WebStream)
        .on("error", () => {})
        .pipe(res);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
  return {
    url,
    sandboxes,
    tools,
    [Symbol.asyncDispose]: async () => {
      await tools.close();
      await Promise.all([...sandboxes.held.keys()].map((handle) => sandboxes.end(handle)));
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}
