/** Where a value stands in the bytes of a JSON text; `end` is exclusive. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/**
 * The place of the value that a path of keys leads to, in bytes known to be valid JSON; undefined where it leads
 * nowhere. `twice`: some key on the way stands there twice, so that two readers may see two values.
 */
export function placeOf(bytes: Uint8Array, path: readonly string[]): Place | "twice" | undefined {
  let place: Place = { start: skipSpace(bytes, 0), end: bytes.length };
  for (const key of path) {
    if (bytes[place.start] !== OPEN_OBJECT) return undefined;
    const found = children(bytes, place.start).filter((child) => child.key === key);
    const [only] = found;
    if (only === undefined) return undefined;
    if (found.length > 1) return "twice";
    place = only;
  }
  return place;
}

/** The elements of a JSON text that is an array; undefined for any other. */
export function elements(bytes: Uint8Array): readonly Uint8Array[] | undefined {
  const start = skipSpace(bytes, 0);
  if (bytes[start] !== OPEN_ARRAY) return undefined;
  return children(bytes, start).map((child) => bytes.subarray(child.start, child.end));
}

/** The text with other values in these places; all else byte for byte. Places do not overlap. */
export function replaceAt(
  bytes: Uint8Array,
  changes: readonly { readonly place: Place; readonly value: Uint8Array }[],
): Uint8Array {
  if (changes.length === 0) return bytes;
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { place, value } of changes.toSorted((a, b) => a.place.start - b.place.start)) {
    parts.push(bytes.subarray(from, place.start), value);
    from = place.end;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

function children(bytes: Uint8Array, container: number): (Place & { key: string | undefined })[] {
  const found: (Place & { key: string | undefined })[] = [];
  const object = bytes[container] === OPEN_OBJECT;
  let at = skipSpace(bytes, container + 1);
  while (at < bytes.length && bytes[at] !== CLOSE_OBJECT && bytes[at] !== CLOSE_ARRAY) {
    let key: string | undefined;
    if (object) {
      const end = endOfValue(bytes, at);
      key = JSON.parse(Buffer.from(bytes.subarray(at, end)).toString("utf8")) as string;
      at = skipSpace(bytes, skipSpace(bytes, end) + 1); // past the colon
    }
    const end = endOfValue(bytes, at);
    found.push({ key, start: at, end });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return found;
}

function endOfValue(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const byte = bytes[at];
    if (byte === QUOTE) at = closingQuote(bytes, at);
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth -= 1;
    else if (depth === 0) return endOfScalar(bytes, at);
    at += 1;
  } while (depth > 0 && at < bytes.length);
  return at;
}

function endOfScalar(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && !isSpace(bytes[at]) && !isBorder(bytes[at])) at += 1;
  return at;
}

function closingQuote(bytes: Uint8Array, start: number): number {
  for (let end = bytes.indexOf(QUOTE, start + 1); end >= 0; end = bytes.indexOf(QUOTE, end + 1)) {
    let slashes = 0;
    while (bytes[end - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return bytes.length;
}

function skipSpace(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && isSpace(bytes[at])) at += 1;
  return at;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isBorder(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY;
}
