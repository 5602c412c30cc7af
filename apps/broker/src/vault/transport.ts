import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";

const maxAnswerBytes = 256 * 1024;

/** What node-vault hands to its HTTP client, and what it wants back. */
interface Ask {
  method: string;
  uri: string;
  headers?: Record<string, string>;
  json?: unknown;
  signal?: AbortSignal;
}
interface Answer {
  statusCode: number;
  body: unknown;
  request: { path: string };
}

export interface Transport {
  send(ask: Ask): Promise<Answer>;
  close(): void;
}

/**
 * HTTP for node-vault. Its own client would follow a redirect with the token in its header, take a proxy from the
 * environment, buffer any amount, and could not be cancelled. This one follows nothing, and ends with its signal.
 */
export function boundedTransport(options: { ca?: string }): Transport {
  const pool = { keepAlive: true, maxSockets: 32 };
  const plain = new HttpAgent(pool);
  const tls = new HttpsAgent({ ...pool, ...(options.ca === undefined ? {} : { ca: options.ca }) });
  return {
    send: (ask) => sendOnce(ask, { plain, tls }),
    close: () => {
      plain.destroy();
      tls.destroy();
    },
  };
}

function sendOnce(ask: Ask, agents: { plain: HttpAgent; tls: HttpsAgent }): Promise<Answer> {
  const url = new URL(ask.uri);
  const body = ask.json === undefined ? undefined : Buffer.from(JSON.stringify(ask.json));
  const headers = {
    ...ask.headers,
    ...(body === undefined ? {} : { "content-type": "application/json", "content-length": body.length }),
  };
  const options = { method: ask.method, headers, ...(ask.signal ? { signal: ask.signal } : {}) };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const outgoing =
    url.protocol === "https:"
      ? httpsRequest(url, { ...options, agent: agents.tls })
      : httpRequest(url, { ...options, agent: agents.plain });
  outgoing.on("error", reject);
  outgoing.on("response", (incoming) => {
    const chunks: Buffer[] = [];
    let size = 0;
    incoming.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxAnswerBytes)
        incoming.destroy(new Error(`an answer of more than ${maxAnswerBytes} bytes`));
      else chunks.push(chunk);
    });
    incoming.on("error", reject);
    incoming.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      resolve({ statusCode: incoming.statusCode ?? 0, body: parsed(text), request: { path: url.pathname } });
    });
  });
  outgoing.end(body);
  return promise;
}

function parsed(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // a proxy's error page; the status says what is to be known
  }
}
