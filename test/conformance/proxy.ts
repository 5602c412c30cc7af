import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";

/** Header values by lower-case name. */
type Added = Readonly<Record<string, string>>;

export interface HeaderProxyOptions {
  /** Where requests go; the path of each request is kept as it is. */
  readonly target: URL;
  /** Headers to put into each request, in place of what the client sent under the same name. */
  readonly headers?: Added | ((req: IncomingMessage) => Added);
}

export interface HeaderProxy {
  /** The target's path, at the proxy's own address. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * A proxy that adds headers and changes nothing else, because the official suite cannot send a bearer token.
 * Bodies pass as bytes, as they come; headers keep order and case; who hangs up is hung up on.
 *
 * `Host` and `Origin` that name the proxy become the target's, as if the client had dialled it. A foreign one
 * passes unchanged: the suite's `dns-rebinding-protection` sends it on purpose, and the target must see it.
 */
export async function startHeaderProxy({ target, headers = {} }: HeaderProxyOptions): Promise<HeaderProxy> {
  const agent = new Agent({ keepAlive: true });
  const own = { host: "" };
  const server = createServer((req, res) => {
    const added = typeof headers === "function" ? headers(req) : headers;
    const upstream = request({
      agent,
      host: target.hostname.replace(/^\[|\]$/g, ""),
      port: target.port || 80,
      method: req.method,
      path: req.url,
      headers: rewrite(req.rawHeaders, { own: own.host, target, added }),
    });
    relay({ req, res, upstream });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("not listening on a TCP port");
  own.host = `127.0.0.1:${bound.port}`;
  return {
    url: `http://${own.host}${target.pathname}`,
    close: () =>
      new Promise<void>((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
        agent.destroy();
      }),
  };
}

interface Rewriting {
  readonly own: string;
  readonly target: URL;
  readonly added: Added;
}

/** Raw headers (name, value, name, value, …) as the target shall get them. */
function rewrite(raw: readonly string[], { own, target, added }: Rewriting): string[] {
  const out: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? "";
    const value = raw[at + 1] ?? "";
    const key = name.toLowerCase();
    if (key in added) continue;
    if (key === "host" && value === own) out.push(name, target.host);
    else if (key === "origin" && value === `http://${own}`) out.push(name, target.origin);
    else out.push(name, value);
  }
  for (const [name, value] of Object.entries(added)) out.push(name, value);
  return out;
}

interface Relayed {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly upstream: ReturnType<typeof request>;
}

function relay({ req, res, upstream }: Relayed): void {
  req.pipe(upstream);
  res.once("close", () => {
    if (!res.writableFinished) upstream.destroy();
  });
  upstream.once("error", () => res.destroy());
  upstream.once("response", (answer) => {
    res.sendDate = false; // the target's own Date passes, or none
    res.writeHead(answer.statusCode ?? 502, answer.statusMessage, answer.rawHeaders);
    res.flushHeaders();
    answer.pipe(res);
    // A body that breaks off must break off here too, not hang or end as if it were whole.
    answer.once("error", () => res.destroy());
  });
}
