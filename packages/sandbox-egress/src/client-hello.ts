/** What the first bytes of a tunnel are. */
export type Opening =
  | { readonly is: "incomplete" }
  | { readonly is: "not-tls" }
  | { readonly is: "broken"; readonly reason: string }
  | { readonly is: "hello"; readonly serverName: string | undefined };

/** A hello with post-quantum keys takes two kilobytes; nobody needs eight times that. */
export const MOST_HELLO_BYTES = 16_384;

/** Clients send it in one, or in a few that are as long as a record may be. */
const MOST_RECORDS = 64;

const SERVER_NAME = 0;
const ENCRYPTED_CLIENT_HELLO = 0xfe0d;

/**
 * Reads a TLS ClientHello (RFC 8446, section 4.1.2; SNI: RFC 6066, section 3), which may come in several records. Strict:
 * every length must add up, since the server behind reads the same bytes. Pure; call again with more bytes when incomplete.
 */
export function readOpening(bytes: Uint8Array): Opening {
  if (bytes.length === 0) return { is: "incomplete" };
  if (bytes[0] !== 22 || (bytes.length > 1 && bytes[1] !== 3)) return { is: "not-tls" };
  const message = handshake(bytes);
  if (message === "incomplete")
    return bytes.length >= MOST_HELLO_BYTES ? broken("it is too long") : { is: "incomplete" };
  if (typeof message === "string") return broken(message);
  try {
    return { is: "hello", serverName: serverNameIn(message) };
  } catch (error) {
    if (error instanceof Malformed) return broken(error.message);
    throw error;
  }
}

/**
 * The body of the ClientHello, put together from its records once it is whole; or what is wrong. It is asked again with
 * each piece that comes, so what it costs must not grow with the square of what a sandbox sends.
 */
function handshake(bytes: Uint8Array): Uint8Array | string {
  const pieces: Uint8Array[] = [];
  let total = 0;
  for (let at = 0; ; ) {
    if (pieces.length > MOST_RECORDS) return "it is in too many records";
    if (at + 5 > bytes.length) return "incomplete";
    const [type, major, minor] = bytes.subarray(at, at + 3);
    if (type !== 22 || major !== 3 || (minor ?? 9) > 3) return "its records are not those of a handshake";
    const length = u16(bytes, at + 3);
    if (length === 0 || length > MOST_HELLO_BYTES) return "a record has an impossible length";
    const piece = bytes.subarray(at + 5, at + 5 + length);
    pieces.push(piece);
    total += piece.length;
    const problem = problemOf(startOf(pieces), total);
    if (problem === "whole") return Buffer.concat(pieces).subarray(4);
    if (problem !== "incomplete") return problem;
    if (piece.length < length) return "incomplete";
    at += 5 + length;
  }
}

/** The message's type and length, as far as they are there. */
function startOf(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return first !== undefined && first.length >= 4 ? first : Buffer.concat(pieces).subarray(0, 4);
}

function problemOf(start: Uint8Array, total: number): string {
  if (total >= 1 && start[0] !== 1) return "it begins with another message";
  if (total < 4) return "incomplete";
  const size = ((start[1] ?? 0) << 16) | u16(start, 2);
  if (size > MOST_HELLO_BYTES) return "it is too long";
  if (total > size + 4) return "something follows it before the server has answered";
  return total === size + 4 ? "whole" : "incomplete";
}

class Malformed extends Error {}

/** Bytes that are taken from the front, by lengths that must fit. */
class Cursor {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new Malformed("its lengths do not add up");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(size: 1 | 2): number {
    return this.take(size).reduce((value, byte) => value * 256 + byte, 0);
  }

  vector(size: 1 | 2): Uint8Array {
    return this.take(this.number(size));
  }

  end(): void {
    if (!this.done) throw new Malformed("its lengths do not add up");
  }
}

function serverNameIn(message: Uint8Array): string | undefined {
  const hello = new Cursor(message);
  hello.take(2 + 32);
  hello.vector(1); // session id
  hello.vector(2); // cipher suites
  hello.vector(1); // compression methods
  if (hello.done) return undefined;
  const extensions = new Cursor(hello.vector(2));
  hello.end();
  const seen = new Set<number>();
  let name: string | undefined;
  while (!extensions.done) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (seen.has(type)) throw new Malformed("an extension comes twice");
    seen.add(type);
    // The name that counts would be in the encrypted part: the one in the open says nothing.
    if (type === ENCRYPTED_CLIENT_HELLO) throw new Malformed("it hides its name (encrypted client hello)");
    if (type === SERVER_NAME) name = nameIn(body);
  }
  return name;
}

function nameIn(body: Uint8Array): string {
  const extension = new Cursor(body);
  const list = new Cursor(extension.vector(2));
  extension.end();
  if (list.number(1) !== 0) throw new Malformed("its server name is of an unknown type");
  const name = Buffer.from(list.vector(2)).toString("latin1");
  list.end(); // one name: of two, we might read one and the server the other
  return name;
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function broken(reason: string): Opening {
  return { is: "broken", reason: `this is no clean TLS ClientHello: ${reason}` };
}
