const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
/** U+2028 and U+2029 in UTF-8: line ends for Node's readline and others. */
const SEPARATORS = [
  [Buffer.from("\u2028"), "\\u2028"],
  [Buffer.from("\u2029"), "\\u2029"],
] as const;

/**
 * The same JSON on one line. A message that reached the other side as two lines would be two messages, of which the
 * policy has seen neither. Valid JSON has raw line feeds only between its tokens, where a space says the same, and line
 * separators only in strings, where an escape does. The given bytes come back where there is nothing to change.
 */
export function oneLine(json: Uint8Array): Uint8Array {
  let line = json;
  if (json.includes(LF) || json.includes(CR))
    line = Uint8Array.from(json, (byte) => (byte === LF || byte === CR ? SPACE : byte));
  for (const [raw, escaped] of SEPARATORS) {
    if (Buffer.from(line.buffer, line.byteOffset, line.byteLength).includes(raw))
      line = Buffer.from(Buffer.from(line).toString("utf8").replaceAll(raw.toString("utf8"), escaped));
  }
  return line;
}
