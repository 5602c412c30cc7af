import { Duplex } from "node:stream";
import { type ConnectionOptions, connect } from "node:tls";

/** The very first bytes that Node's own TLS client sends. */
export function helloOf(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
        queueMicrotask(() => client.destroy()); // the first write comes before `connect` returns
      },
    });
    const client = connect({ ...options, socket: wire });
    client.on("error", () => {});
  });
}

/** The same message in records of at most `size` bytes. */
export function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const piece = message.subarray(at, at + size);
    records.push(Buffer.from([22, 3, 1, piece.length >> 8, piece.length & 255]), piece);
  }
  return Buffer.concat(records);
}
