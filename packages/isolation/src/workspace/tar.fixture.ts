/** One entry as an attacker can write it: nothing is checked. */
export interface RawEntry {
  readonly name: string;
  /** typeflag of ustar: 0 file, 1 hard link, 2 link, 3 and 4 devices, 5 folder, 6 FIFO. */
  readonly type?: string;
  readonly mode?: number;
  readonly link?: string;
  readonly content?: string;
  /** Other than the content's. */
  readonly size?: number;
  /** Records of a pax header before it. */
  readonly pax?: Readonly<Record<string, string>>;
}

const block = 512;
const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((block - (bytes.length % block)) % block)]);

function head({ name, type = "0", mode = 0o644, link = "", content = "", size }: RawEntry): Buffer {
  const header = Buffer.alloc(block);
  header.write(name, 0, 100);
  header.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  header.write("0000000\0".repeat(2), 108);
  header.write(`${(size ?? Buffer.byteLength(content)).toString(8).padStart(11, "0")}\0`, 124);
  header.write("00000000000\0", 136);
  header.write(" ".repeat(8), 148);
  header.write(type, 156);
  header.write(link, 157, 100);
  header.write("ustar\x0000", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return header;
}

function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const size = Buffer.byteLength(rest);
  const digits = String(size + String(size).length).length;
  return `${size + digits}${rest}`;
}

export function rawTar(entries: readonly RawEntry[], end = Buffer.alloc(2 * block)): Buffer {
  const parts = entries.flatMap((entry) => {
    const content = entry.content ?? "";
    const records = Object.entries(entry.pax ?? {}).map(([key, value]) => record(key, value));
    const extra =
      records.length === 0
        ? []
        : [
            head({ name: "pax", type: "x", content: records.join("") }),
            padded(Buffer.from(records.join(""))),
          ];
    return [...extra, head(entry), padded(Buffer.from(content))];
  });
  return Buffer.concat([...parts, end]);
}

/** In pieces of any size: a reader must not depend on them. */
export async function* inPieces(bytes: Buffer, size = 700): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
