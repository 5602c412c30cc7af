import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { Client } from "undici";
import type { Road } from "./roads.ts";

export interface Load {
  readonly bytes: number;
  readonly concurrency: number;
  readonly seconds: number;
  /** A tunnel for each request, or one for all of a worker's. */
  readonly fresh: boolean;
}

/** Requests in a second. */
export async function load(road: Road, { bytes, concurrency, seconds, fresh }: Load): Promise<number> {
  const end = performance.now() + seconds * 1000;
  const began = performance.now();
  let count = 0;
  const worker = async () => {
    let client = clientOf(road);
    while (performance.now() < end) {
      await ask(client, road, bytes);
      count += 1;
      if (!fresh) continue;
      await client.destroy();
      client = clientOf(road);
    }
    await client.destroy();
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return count / ((performance.now() - began) / 1000);
}

function clientOf(road: Road): Client {
  return new Client(`https://${road.host}:${road.port}`, {
    connect: (_options, callback) => {
      tunnel(road).then(
        (socket) => callback(null, socket),
        (error: Error) => callback(error, null),
      );
    },
  });
}

function tunnel({ socketPath, host, port, ca }: Road): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const plain = connect(socketPath);
    plain.on("error", reject);
    plain.write(`CONNECT ${host}:${port} HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`);
    plain.once("data", (answer: Buffer) => {
      if (!/^HTTP\/1.1 200 /.test(answer.toString())) return reject(new Error(answer.toString()));
      const secure = connectTls({ socket: plain, servername: host, ca }, () => resolve(secure));
      secure.on("error", reject);
    });
  });
}

async function ask(client: Client, { path, headers }: Road, bytes: number): Promise<void> {
  const { statusCode, body } = await client.request({ method: "GET", path: `${path}/${bytes}`, headers });
  let got = 0;
  for await (const piece of body) got += (piece as Buffer).length;
  if (statusCode !== 200 || got !== bytes)
    throw new Error(`answered with ${statusCode} and ${got} bytes of ${bytes}`);
}
