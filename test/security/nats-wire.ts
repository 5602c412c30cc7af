import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { fromSeed } from "@nats-io/nkeys";

export interface Message {
  subject: string;
  sid: string;
  reply: string | undefined;
  payload: string;
}

type Said = { pong: true } | { refusal: string } | { message: Message } | { other: string };

/**
 * A bare NATS client: it writes whatever bytes it is told, so that what refuses is the server and no library. Each line
 * is followed by a PING; the server answers in order, so its refusals are complete when the PONG comes.
 */
export class Wire {
  #socket: Socket;
  readonly #waiting: ((outcome: string[] | Error) => void)[] = [];
  /** Every message so far. */
  readonly heard: Message[] = [];
  #buffer = Buffer.alloc(0);
  #refusals: string[] = [];
  #nextSid = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Connects with a creds file's JWT and key; by TLS where `ca` signed for it. Throws what the server refuses with. */
  static async open(port: number, creds: Uint8Array | undefined, ca?: string): Promise<Wire> {
    const socket = connect({ host: "127.0.0.1", port });
    socket.setNoDelay(true);
    const wire = new Wire(socket);
    const info = await new Promise<{ nonce?: string }>((resolve, reject) => {
      socket.once("error", reject);
      socket.once("data", (first) => {
        const line = Buffer.from(first).toString("latin1");
        resolve(JSON.parse(line.slice("INFO ".length, line.indexOf("\r\n"))) as { nonce?: string });
      });
    });
    if (ca !== undefined) wire.#socket = connectTls({ socket, ca, servername: "localhost" });
    wire.#socket.on("data", (chunk) => wire.#take(Buffer.from(chunk)));
    wire.#socket.on("close", () => wire.#end(new Error("the server closed the connection")));
    wire.#socket.on("error", (error) => wire.#end(error));
    const options = {
      verbose: false,
      pedantic: false,
      protocol: 1,
      headers: true,
      no_responders: true,
      echo: true,
    };
    const proof = creds === undefined ? {} : prove(creds, info.nonce ?? "");
    const refusals = await wire.say(`CONNECT ${JSON.stringify({ ...options, ...proof })}\r\n`);
    if (refusals.length > 0) throw new Error(refusals.join("; "));
    return wire;
  }

  /** Sends the bytes and a PING, and resolves with what the server refused before the PONG. */
  say(bytes: string): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
      this.#socket.write(`${bytes}PING\r\n`, "latin1");
    });
  }

  publish(subject: string, payload = "", reply = ""): Promise<string[]> {
    const to = reply === "" ? subject : `${subject} ${reply}`;
    return this.say(`PUB ${to} ${Buffer.byteLength(payload)}\r\n${payload}\r\n`);
  }

  publishWith(
    headers: Record<string, string>,
    to: { subject: string; reply?: string },
    payload = "",
  ): Promise<string[]> {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `NATS/1.0\r\n${lines.join("")}\r\n`;
    const address = to.reply === undefined ? to.subject : `${to.subject} ${to.reply}`;
    return this.say(
      `HPUB ${address} ${head.length} ${head.length + payload.length}\r\n${head}${payload}\r\n`,
    );
  }

  subscribe(subject: string, queue = ""): Promise<string[]> {
    const sid = this.#nextSid++;
    return this.say(`SUB ${subject}${queue === "" ? "" : ` ${queue}`} ${sid}\r\n`);
  }

  /** Subscribes and at once lets go again: only the verdict is wanted. */
  trySubscribe(subject: string, queue = ""): Promise<string[]> {
    const sid = this.#nextSid++;
    return this.say(`SUB ${subject}${queue === "" ? "" : ` ${queue}`} ${sid}\r\nUNSUB ${sid}\r\n`);
  }

  /** Leaves every subscription, so that no queue group still counts on this one, and closes. */
  async close(): Promise<void> {
    const all = Array.from({ length: this.#nextSid }, (_, sid) => `UNSUB ${sid + 1}\r\n`);
    if (!this.#socket.destroyed) await this.say(all.join("")).catch(() => undefined);
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (let said = this.#next(); said !== undefined; said = this.#next()) {
      if ("refusal" in said) this.#refusals.push(said.refusal);
      if ("message" in said) this.heard.push(said.message);
      if ("pong" in said) this.#settle();
    }
  }

  #settle(): void {
    this.#waiting.shift()?.(this.#refusals);
    this.#refusals = [];
  }

  #end(error: Error): void {
    const why = this.#refusals.length === 0 ? error : new Error(this.#refusals.join("; "));
    for (const waiting of this.#waiting.splice(0)) waiting(why);
  }

  /** The next whole thing that the server said, or undefined until more bytes come. */
  #next(): Said | undefined {
    const end = this.#buffer.indexOf("\r\n");
    if (end < 0) return undefined;
    const line = this.#buffer.toString("latin1", 0, end);
    const words = line.split(" ");
    const kind = words[0] ?? "";
    let used = end + 2;
    let said: Said = { other: line };
    if (kind === "PONG") said = { pong: true };
    if (kind === "PING") this.#socket.write("PONG\r\n");
    if (kind === "-ERR") said = { refusal: line.slice(5) };
    if (kind === "MSG" || kind === "HMSG") {
      const size = Number(words.at(-1));
      if (this.#buffer.length < used + size + 2) return undefined;
      const [subject = "", sid = "", ...rest] = words.slice(1, kind === "MSG" ? -1 : -2);
      const payload = this.#buffer.toString("latin1", used, used + size);
      said = { message: { subject, sid, reply: rest[0], payload } };
      used += size + 2;
    }
    this.#buffer = this.#buffer.subarray(used);
    return said;
  }
}

/** The CONNECT fields that answer the server's nonce with the key of a creds file. */
function prove(creds: Uint8Array, nonce: string): { jwt: string; sig: string } {
  const blocks = [
    ...Buffer.from(creds)
      .toString("utf8")
      .matchAll(/-----BEGIN [^-]+-----\n([^\n]+)\n/g),
  ];
  const [jwt = "", seed = ""] = blocks.map((block) => block[1] ?? "");
  const signature = fromSeed(Buffer.from(seed)).sign(Buffer.from(nonce));
  return { jwt, sig: Buffer.from(signature).toString("base64url") };
}
