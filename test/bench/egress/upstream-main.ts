import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";

/** `upstream-main KEY CERTIFICATE TOKEN`: answers `/size` with so many bytes; below `/secret/` to the token alone. */
const [, , key = "", cert = "", token = ""] = process.argv;
const bodies = new Map<number, Buffer>();

const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (request, response) => {
  const [, guarded, size] = /^(\/secret)?\/(\d+)$/.exec(request.url ?? "") ?? [];
  if (guarded !== undefined && request.headers.authorization !== `Bearer ${token}`)
    return void response.writeHead(401).end();
  const length = Number(size);
  const body = bodies.get(length) ?? Buffer.alloc(length, "lorem ipsum dolor sit amet ");
  bodies.set(length, body);
  response.writeHead(200, { "content-type": "text/plain", "content-length": length }).end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => console.log(`{"port":${(server.address() as AddressInfo).port}}`));
