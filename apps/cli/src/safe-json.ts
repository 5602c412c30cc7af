const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}\p{Co}\p{Cs}]/gu;

/**
 * JSON that a terminal can show: what it would obey or not show (control, bidirectional and invisible characters) is
 * escaped. The value that a parser reads from it is the same.
 */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(unprintable, (found) =>
    found === "\n" ? found : [...Array(found.length).keys()].map((at) => escaped(found, at)).join(""),
  );
}

function escaped(text: string, at: number): string {
  return `\\u${text.charCodeAt(at).toString(16).padStart(4, "0")}`;
}
