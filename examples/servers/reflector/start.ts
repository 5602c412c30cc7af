import type { IncomingMessage } from "node:http";
import { bearerMatches } from "../http/bearer.ts";
import type { ServeOptions } from "../http/command-line.ts";
import { listen, type Running } from "../http/listen.ts";
import { handleMessage } from "./handle.ts";
import { newRecorder, type Seen } from "./recorder.ts";
import { writeWhole } from "./write.ts";

const MAX_BODY_BYTES = 8 * 1_048_576;

export interface Reflector extends Running {
  seen(): Seen;
}

/**
 * Start a server that tries to leak the credential it was given. Only for tests: it checks neither Host nor
 * Origin, so nothing that a gateway gets wrong is hidden by it.
 */
export async function startReflector(options: ServeOptions = {}): Promise<Reflector> {
  const recorder = newRecorder();
  const running = await listen((req, res) => {
    if (req.url === "/__seen") {
      const { recent: _secret, ...counts } = recorder.seen();
      return writeWhole(res, JSON.stringify(counts));
    }
    recorder.arrived(res);
    void (async () => {
      const body = await readBody(req);
      recorder.read(req, body);
      if (options.token !== undefined && !bearerMatches(req.headers.authorization, options.token)) {
        return void res.writeHead(401, { "www-authenticate": "Bearer" }).end();
      }
      if (req.method !== "POST") return void res.writeHead(405, { allow: "POST" }).end();
      await handleMessage(req, res, { body, recorder });
    })().catch(() => res.destroy());
  }, options);
  return { url: `${running.url}/mcp`, close: running.close, seen: recorder.seen };
}

/** By events rather than by iteration: half the cost, and this server is also the far end of benchmarks. */
function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    req.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) reject(new Error("request body is too large"));
      else chunks.push(chunk);
    });
    req.once("end", () => resolve(Buffer.concat(chunks).toString()));
    req.once("error", reject);
  });
}
