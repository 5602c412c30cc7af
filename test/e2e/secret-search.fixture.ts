/** How a secret may be written. Each spelling is searched for in the bytes as they stand. */
interface Spelling {
  name: string;
  text: string;
  anyCase: boolean;
}

/**
 * Where a secret is in these bytes, by the names of its spellings: raw, base64 and base64url at each of the three offsets
 * (Basic among them), hex, percent-encoded, JSON-escaped. Case where a spelling has none is ignored.
 */
export function secretSearch(
  secrets: Readonly<Record<string, string>>,
): (bytes: Uint8Array | string) => string[] {
  const spellings = Object.entries(secrets).flatMap(([name, secret]) => spellingsOf(name, secret));
  return (bytes) => {
    const text = typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1");
    const folded = text.toLowerCase();
    return spellings.filter((one) => (one.anyCase ? folded : text).includes(one.text)).map((one) => one.name);
  };
}

function spellingsOf(name: string, secret: string): Spelling[] {
  const bytes = Buffer.from(secret);
  const hex = bytes.toString("hex");
  const exact = (kind: string, text: string): Spelling => ({ name: `${name} ${kind}`, text, anyCase: false });
  const folded = (kind: string, text: string): Spelling => ({
    name: `${name} ${kind}`,
    text: text.toLowerCase(),
    anyCase: true,
  });
  return [
    exact("raw", secret),
    ...[0, 1, 2].flatMap((offset) => {
      const core = base64Core(bytes, offset);
      const url = core.replaceAll("+", "-").replaceAll("/", "_");
      return [exact(`base64+${offset}`, core), exact(`base64url+${offset}`, url)];
    }),
    folded("hex", hex),
    folded("spaced hex", hex.replace(/..(?!$)/g, "$& ")),
    folded("percent", hex.replace(/../g, "%$&")),
    exact("percent-minimal", encodeURIComponent(secret)),
    exact("form", new URLSearchParams([["", secret]]).toString().slice(1)),
    exact("json", JSON.stringify(secret).slice(1, -1)),
    exact("json in json", JSON.stringify(JSON.stringify(secret).slice(1, -1)).slice(1, -1)),
    folded(
      "json-unicode",
      [...secret].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
    ),
  ];
}

/** The base64 characters that depend on the secret alone, wherever it lies in a longer text. */
function base64Core(secret: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), secret])
    .toString("base64")
    .replace(/=+$/, "");
  const from = Math.ceil((offset * 8) / 6);
  const to = Math.floor(((offset + secret.length) * 8) / 6);
  return text.slice(from, to);
}
