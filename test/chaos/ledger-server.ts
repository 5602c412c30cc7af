import { appendFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

/**
 * A private server whose effects can be counted, and outlive it: `write` appends its argument to a file before it
 * answers, `stream` sends an event every 20 ms until its client goes. Arguments of the process: port, file.
 */
const [port = "", file = ""] = process.argv.slice(2);

interface Call {
  id?: number;
  method: string;
  params?: { name?: string; arguments?: { effect?: string; delayMs?: number } };
}

const server = createServer((request, response) => {
  body(request).then(
    (text) => answer(JSON.parse(text) as Call, response),
    () => response.destroy(),
  );
});

function answer({ id, method, params }: Call, response: ServerResponse): void {
  if (params?.name === "stream") {
    stream(response);
    return;
  }
  const { effect, delayMs = 0 } = params?.arguments ?? {};
  if (method === "tools/call" && effect !== undefined) appendFileSync(file, `${effect}\n`);
  setTimeout(() => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({ jsonrpc: "2.0", id, result: { content: [{ type: "text", text: effect ?? "ok" }] } }),
    );
  }, delayMs);
}

function stream(response: ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/message", params: {} })}\n\n`;
  const timer = setInterval(() => response.write(event), 20);
  response.on("close", () => clearInterval(timer));
}

async function body(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

server.listen(Number(port), "127.0.0.1");
