const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/**
 * Text of a stranger made fit for a log line, a terminal or an error: control, bidirectional, zero-width, private and
 * unassigned characters and lone surrogates become `\u{…}`, so that a tool named with CR/LF or ESC cannot forge a log line
 * (CWE-117) and one with U+202E cannot show itself backwards. At most `max` characters, then an ellipsis.
 */
export function printable(text: string, max: number): string {
  let shown = "";
  for (const character of text) {
    const next = UNPRINTABLE.test(character) ? `\\u{${character.codePointAt(0)?.toString(16)}}` : character;
    if (shown.length + next.length > max) return `${shown}…`;
    shown += next;
  }
  return shown;
}
