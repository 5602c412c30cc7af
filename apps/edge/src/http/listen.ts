import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import type { SecretFile } from "@sallyport/runtime";
import Fastify, { type FastifyInstance } from "fastify";
import type { HttpCall } from "../handle-call.ts";
import { metadataPath, protectedResourceMetadata } from "./metadata.ts";
import { problem } from "./refusal.ts";
import { send } from "./reply-writer.ts";

export interface ListenOptions {
  host: string;
  port: number;
  tls: { certFile: string; keyFile: SecretFile } | undefined;
  publicUrl: string;
  issuer: string;
  limits: { body: number; connections: number };
  /** Answers the call itself. */
  call(call: HttpCall): Promise<void>;
}

/** The edge's HTTP front: bounds, routes, metadata. What a call means is not decided here. */
export async function listen(options: ListenOptions): Promise<{ port: number; close(): Promise<void> }> {
  const app = Fastify({
    logger: false,
    bodyLimit: options.limits.body,
    requestTimeout: 30_000,
    connectionTimeout: 0,
    keepAliveTimeout: 65_000,
    forceCloseConnections: true,
    http: { maxHeaderSize: 32 * 1024 },
    ...(options.tls ? { https: await tlsOptions(options.tls) } : {}),
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

  app.route<{ Params: { server: string } }>({
    method: ["POST", "GET", "DELETE"],
    url: "/mcp/:server",
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      reply.hijack();
      await options.call({
        server: request.params.server,
        method: request.method as HttpCall["method"],
        request: request.raw,
        response: reply.raw,
        body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      });
    },
  });
  app.get<{ Params: { server: string } }>(metadataPath(":server"), async (request, reply) => {
    reply.header("access-control-allow-origin", "*").header("cache-control", "max-age=300");
    return protectedResourceMetadata({ ...options, server: request.params.server });
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
