const escapes =
  /(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?/g;
const controls = /[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;

/** Text that no terminal takes for a command (attack 15): escape sequences, 7 and 8 bit, and other controls are gone. */
export function withoutEscapes(text: string): string {
  return text.replace(escapes, "").replace(controls, "");
}

/** Bytes as text: what is no UTF-8, and NUL, as U+FFFD; without escapes. `lost`: how many characters that were. */
export function shownText(bytes: Buffer): { readonly text: string; readonly lost: number } {
  const text = withoutEscapes(bytes.toString("utf8")).replaceAll("\0", "\ufffd");
  return { text, lost: text.split("\ufffd").length - 1 };
}

/** The largest length up to `at` that cuts no character of UTF-8 in two. */
export function wholeCharacters(bytes: Buffer, at: number): number {
  let end = at;
  while (end > 0 && at - end < 3 && isContinuation(bytes[end])) end--;
  return isContinuation(bytes[end]) ? at : end;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}
