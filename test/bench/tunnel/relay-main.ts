import { createServer } from "node:http";
import { connect, headers, type Msg, type NatsConnection } from "@nats-io/transport-node";
import { Pool } from "undici";

/**
 * The bare relay that the tunnel is compared with: HTTP → NATS → HTTP, with plain clients and no security at all.
 * `edge URL` listens; `connector URL UPSTREAM` calls the upstream.
 */
const [role, nats, upstream = "http://127.0.0.1:1/"] = process.argv.slice(2);
const bus = await connect({ servers: nats ?? "", noAsyncTraces: true });
if (role === "edge") edge(bus);
else await connector(bus);

function edge(bus: NatsConnection): void {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const inbox = `relay.reply.${crypto.randomUUID()}`;
      let first = true;
      const subscription = bus.subscribe(inbox, {
        callback: (_error, message: Msg) => {
          if (first)
            response.writeHead(200, { "content-type": message.headers?.get("type") ?? "application/json" });
          first = false;
          if (message.data.length > 0) response.write(message.data);
          if (!message.headers?.has("end")) return;
          subscription.unsubscribe();
          response.end();
        },
      });
      bus.publish("relay.call", Buffer.concat([Buffer.from(`${request.method} `), ...chunks]), {
        reply: inbox,
      });
    });
  });
  server.listen(0, "127.0.0.1", () =>
    console.log(
      JSON.stringify({ url: `http://127.0.0.1:${(server.address() as { port: number }).port}/mcp` }),
    ),
  );
}

async function connector(bus: NatsConnection): Promise<void> {
  const pool = new Pool(new URL(upstream).origin, { connections: 4096, bodyTimeout: 0 });
  bus.subscribe("relay.call", {
    callback: (_error, message) => {
      const at = message.data.indexOf(32);
      const method = Buffer.from(message.data.subarray(0, at)).toString() as "POST";
      const body = message.data.subarray(at + 1);
      const request = {
        path: "/mcp",
        method,
        headers: { "content-type": "application/json" },
        body: body.length > 0 ? Buffer.from(body) : null,
      };
      let type = "";
      const send = (data: Uint8Array, end: boolean) => {
        const head = headers();
        head.set("type", type);
        if (end) head.set("end", "1");
        bus.publish(message.reply ?? "", data, { headers: head });
      };
      pool.dispatch(request, {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, _status, given) => {
          type = String(given["content-type"]);
        },
        onResponseData: (_controller, chunk) => send(chunk, false),
        onResponseEnd: () => send(new Uint8Array(0), true),
        onResponseError: () => undefined,
      });
    },
  });
  await bus.flush();
  console.log(JSON.stringify({ url: "ready" }));
}
