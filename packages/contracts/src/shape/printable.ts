/**
 * What may not stand in a record or on an operator's terminal: control characters (a terminal obeys them), bidirectional
 * overrides and invisible characters (the text reads as something else), line separators, halves of surrogate pairs.
 */
const unprintable =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/gu;
const plainAscii = /^[\x20-\x7e]*$/;

/** Text of unknown origin, made visible (`\u{1b}` for an escape) and cut to `max` UTF-16 units with an ellipsis. */
export function printable(text: string, max: number): string {
  if (text.length <= max && plainAscii.test(text)) return text;
  // Cut first, so that a huge text costs no more than a short one.
  const visible = text
    .slice(0, max + 1)
    .replace(unprintable, (found) => `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`);
  if (visible.length <= max) return visible;
  const head = visible.slice(0, max - 1);
  // A cut between the halves of a pair would leave one.
  return `${/[\uD800-\uDBFF]$/.test(head) ? head.slice(0, -1) : head}…`;
}
