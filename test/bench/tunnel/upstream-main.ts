import { createServer } from "node:http";

/**
 * The private server of the bench: JSON-RPC over HTTP behind a bearer token, as little as it can be. `size` in the
 * arguments says how many bytes the answer has; `stream` asks for an event stream that stays open after one event.
 */
const token = process.argv[2] ?? "";

const server = createServer((request, response) => {
  if (token !== "" && request.headers.authorization !== `Bearer ${token}`) {
    response.writeHead(401).end();
    return;
  }
  if (request.method === "GET") return stream(response);
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const call = JSON.parse(Buffer.concat(chunks).toString("utf8")) as Call;
    const { size = 64, stream: streamed = false } = call.params?.arguments ?? {};
    if (streamed) return stream(response);
    const body = `{"jsonrpc":"2.0","id":${JSON.stringify(call.id)},"result":{"content":[{"type":"text","text":"${text(size)}"}]}}`;
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    });
    response.end(body);
  });
});

interface Call {
  id: number;
  params?: { arguments?: { size?: number; stream?: boolean } };
}

const texts = new Map<number, string>();
function text(size: number): string {
  const known = texts.get(size);
  if (known !== undefined) return known;
  const made = "lorem ipsum dolor sit amet ".repeat(Math.ceil(size / 27)).slice(0, size);
  texts.set(size, made);
  return made;
}

function stream(response: import("node:http").ServerResponse): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write('event: message\ndata: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n');
}

server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[3] ?? 0), "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address === "object")
    console.log(JSON.stringify({ url: `http://127.0.0.1:${address.port}/mcp` }));
});
