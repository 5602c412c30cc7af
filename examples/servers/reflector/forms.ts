import type { IncomingHttpHeaders } from "node:http";

/** The ways to write a secret so that a plain search for it finds nothing. Each is one that a gateway must know. */
export const FORMS = {
  raw: (secret: string) => secret,
  basic: (secret: string) => `Basic ${Buffer.from(`user:${secret}`).toString("base64")}`,
  base64: (secret: string) => Buffer.from(secret).toString("base64"),
  base64url: (secret: string) => Buffer.from(secret).toString("base64url"),
  // One and two bytes before the secret: the other two of the three ways it can fall into groups of three.
  "base64+1": (secret: string) => Buffer.from(`.${secret}`).toString("base64"),
  "base64+2": (secret: string) => Buffer.from(`..${secret}`).toString("base64"),
  hex: (secret: string) => Buffer.from(secret).toString("hex"),
  HEX: (secret: string) => Buffer.from(secret).toString("hex").toUpperCase(),
  percent: (secret: string) => everyByte(secret, (byte) => `%${byte}`),
  "percent-minimal": (secret: string) => encodeURIComponent(secret),
  json: (secret: string) => JSON.stringify(secret).slice(1, -1),
  "json-unicode": (secret: string) =>
    [...secret].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
} as const satisfies Record<string, (secret: string) => string>;

export type Form = keyof typeof FORMS;

export const FORM_NAMES = Object.keys(FORMS) as Form[];

function everyByte(text: string, write: (byte: string) => string): string {
  return [...Buffer.from(text)]
    .map((byte) => write(byte.toString(16).padStart(2, "0").toUpperCase()))
    .join("");
}

/** Where the credential to reflect is taken from: the bearer token, a Basic password, or any header by name. */
export function credentialFrom(headers: IncomingHttpHeaders, from = "bearer"): string {
  const authorization = headers.authorization ?? "";
  if (from === "bearer") return authorization.replace(/^Bearer /i, "");
  if (from === "basic-password") {
    const pair = Buffer.from(authorization.replace(/^Basic /i, ""), "base64").toString();
    return pair.slice(pair.indexOf(":") + 1);
  }
  return String(headers[from.toLowerCase()] ?? "");
}
