import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A message of the tunnel on its way: `up` goes to the connector. */
export interface OnTheRoad {
  direction: "up" | "down";
  subject: string;
  payload: Buffer;
}

/** What arrives in place of one message: nothing, something else, or several. */
export type Interfere = (message: OnTheRoad) => readonly { subject?: string; payload: Buffer }[];

export interface RoadProxy {
  url: string;
  /** Every tunnel message that passed, as it was before anybody touched it. */
  readonly passed: OnTheRoad[];
  interfere(how: Interfere | undefined): void;
  close(): Promise<void>;
}

/**
 * Whoever runs the relay, between a connector and its nats-server: it reads NATS's protocol and changes, drops, repeats
 * and re-routes messages of the tunnel at will. Everything else passes.
 */
export async function roadProxy(natsPort: number): Promise<RoadProxy> {
  const passed: OnTheRoad[] = [];
  let interference: Interfere | undefined;
  const sockets = new Set<Socket>();
  const rewrite = (direction: "up" | "down") => (line: string, payload: Buffer) => {
    const words = line.split(" ");
    const subject = words[1] ?? "";
    const asItIs = Buffer.concat([Buffer.from(`${line}\r\n`), payload, end]);
    if (!subject.startsWith("tunnel.")) return asItIs;
    const message: OnTheRoad = { direction, subject, payload: Buffer.from(payload) };
    passed.push(message);
    if (interference === undefined) return asItIs;
    const instead = interference(message).map((one) => {
      const head = [words[0], one.subject ?? subject, ...words.slice(2, -1), one.payload.length].join(" ");
      return Buffer.concat([Buffer.from(`${head}\r\n`), one.payload, end]);
    });
    return Buffer.concat(instead);
  };
  const server = createServer((client) => {
    const upstream = connect(natsPort, "127.0.0.1");
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
      socket.on("error", () => socket.destroy());
    }
    upstream.on(
      "data",
      messages("MSG", rewrite("up"), (bytes) => client.write(bytes)),
    );
    client.on(
      "data",
      messages("PUB", rewrite("down"), (bytes) => upstream.write(bytes)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `nats://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    interfere: (how) => {
      interference = how;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

const end = Buffer.from("\r\n");

/** Cuts a stream of NATS's protocol into lines and messages; `verb` (and with headers H`verb`) has a payload behind it. */
function messages(
  verb: "MSG" | "PUB",
  rewrite: (line: string, payload: Buffer) => Buffer,
  pass: (bytes: Buffer) => void,
): (chunk: Buffer) => void {
  let buffer: Buffer = Buffer.alloc(0);
  return (chunk) => {
    buffer = Buffer.concat([buffer, chunk]);
    for (;;) {
      const lineEnd = buffer.indexOf("\r\n");
      if (lineEnd < 0) return;
      const line = buffer.toString("latin1", 0, lineEnd);
      const hasPayload = line.startsWith(`${verb} `) || line.startsWith(`H${verb} `);
      const size = hasPayload ? Number(line.slice(line.lastIndexOf(" ") + 1)) + 2 : 0;
      const next = lineEnd + 2 + size;
      if (buffer.length < next) return;
      const whole = buffer.subarray(0, next);
      pass(
        line.startsWith(`${verb} `)
          ? rewrite(line, whole.subarray(lineEnd + 2, next - 2))
          : Buffer.from(whole),
      );
      buffer = buffer.subarray(next);
    }
  };
}
