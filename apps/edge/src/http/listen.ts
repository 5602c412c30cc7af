import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { ServerName } from "@sallyport/contracts";
import type { SecretFile } from "@sallyport/runtime";
import Fastify, { type FastifyInstance } from "fastify";
import type { HttpCall } from "./http-call.ts";
import { metadataPath, protectedResourceMetadata } from "./metadata.ts";
import { PostsInProgress } from "./posts-in-progress.ts";
import { problem } from "./refusal.ts";
import { send } from "./reply-writer.ts";

export interface ListenOptions {
  host: string;
  port: number;
  tls: { certFile: string; keyFile: SecretFile } | undefined;
  publicUrl: string;
  issuer: string;
  /** `request`: milliseconds that a request may take to arrive. `drain`: that calls may take to end once it closes. */
  limits: { body: number; connections: number; request: number; drain: number };
  /** Answers the call itself. */
  call(call: HttpCall): Promise<void>;
  /** Answers what workers outside ask (`/v1/…`); without it there is no work API. */
  workApi?(call: Pick<HttpCall, "request" | "response" | "body">): Promise<void>;
}

/** The edge's HTTP front: bounds, routes, metadata. What a call means is not decided here. */
export async function listen(options: ListenOptions): Promise<{ port: number; close(): Promise<void> }> {
  const { request } = options.limits;
  // Node looks for late requests only now and then, and forgives a slow head for a minute unless it is told.
  const bounds = {
    maxHeaderSize: 32 * 1024,
    headersTimeout: Math.min(10_000, request),
    requestTimeout: request,
    connectionsCheckingInterval: Math.min(2_000, request),
  };
  const app = Fastify({
    logger: false,
    bodyLimit: options.limits.body,
    requestTimeout: request,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    return503OnClosing: false,
    ...(options.tls ? { https: { ...bounds, ...(await tlsOptions(options.tls)) } } : { http: bounds }),
  } as object) as unknown as FastifyInstance;
  app.server.maxConnections = options.limits.connections;

  // Bodies travel as bytes: they are read once to be checked, and go on as they came.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
  app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    reply.hijack();
    send(reply.raw, problem(status, titles[status] ?? "the request could not be taken").answer);
  });
  app.setNotFoundHandler((_request, reply) => {
    reply.hijack();
    send(reply.raw, problem(404, "there is nothing here: MCP servers are at /mcp/{server}").answer);
  });

  const posts = new PostsInProgress();
  app.addHook("preClose", async () => {
    const drained = posts.drain(options.limits.drain);
    // Nobody connects any more, and connections that do nothing are closed; the others are let go after the drain.
    app.server.close();
    await drained;
  });

  app.route<{ Params: { server: string } }>({
    method: ["POST", "GET", "DELETE"],
    url: "/mcp/:server",
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      reply.hijack();
      if (!posts.begin(request.raw, reply.raw)) {
        const again = { "retry-after": "1", connection: "close" };
        send(reply.raw, problem(503, "this edge is shutting down; try again", again).answer);
        return;
      }
      await options.call({
        server: request.params.server,
        method: request.method as HttpCall["method"],
        request: request.raw,
        response: reply.raw,
        body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      });
    },
  });
  const { workApi } = options;
  if (workApi !== undefined)
    app.route({
      method: ["GET", "POST"],
      url: "/v1/*",
      exposeHeadRoute: false,
      handler: async (request, reply) => {
        reply.hijack();
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        await workApi({ request: request.raw, response: reply.raw, body });
      },
    });
  app.get<{ Params: { server: string } }>(metadataPath(":server"), async (request, reply) => {
    const server = ServerName.safeParse(request.params.server);
    if (!server.success) return reply.callNotFound();
    reply.header("access-control-allow-origin", "*").header("cache-control", "max-age=300");
    return protectedResourceMetadata({ ...options, server: server.data });
  });

  await app.listen({ host: options.host, port: options.port });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

const titles: Record<number, string> = {
  400: "the request is not valid HTTP",
  413: "the body is larger than this server takes: see limits.body",
  415: "a POST to this endpoint is application/json",
};

async function tlsOptions(tls: { certFile: string; keyFile: SecretFile }) {
  const key = await tls.keyFile.read();
  return { cert: readFileSync(tls.certFile), key: Buffer.from(key.reveal()), minVersion: "TLSv1.3" };
}
