import { EgressError } from "./egress-error.ts";

export type RequestPlacement =
  | { in: "header"; name: string; prefix?: string }
  /** `Authorization: Basic`, from user name and value (RFC 7617). */
  | { in: "basic" }
  | { in: "query"; name: string };

export interface EnvironmentPlacement {
  in: "env";
  /** By variable: which part it gets. `password` is another word for `value`. */
  variables: Record<string, "username" | "password" | "value">;
}

/** Where a server expects its credential. */
export type Placement = RequestPlacement | EnvironmentPlacement;

export interface CredentialMaterial {
  /** Secret: token or password. */
  value: Uint8Array;
  username?: string;
}

export interface PlacedRequest {
  /** Path and query. */
  path: string;
  /** Flat: name, value, name, value. */
  headers: string[];
}

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

/** They speak to the next hop or frame the message: a credential there would not arrive, or move its borders. */
const NOT_FOR_CREDENTIALS = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * The request with the credential in it; the given one is left as it is. What the agent put in the same place is
 * dropped, so that no server reads that one instead.
 *
 * @throws EgressError `header`, where the credential does not fit. Its text never holds the credential.
 */
export function placeInRequest(
  placement: RequestPlacement,
  material: CredentialMaterial,
  request: PlacedRequest,
): PlacedRequest {
  switch (placement.in) {
    case "header":
      return withHeader(request, placement.name, `${placement.prefix ?? ""}${textOf(material)}`);
    case "basic":
      return withHeader(request, "authorization", `Basic ${basic(material)}`);
    case "query":
      return withQuery(request, placement.name, textOf(material));
  }
}

/**
 * The variables for a server that is started with them.
 *
 * @throws EgressError `header`
 */
export function placeInEnvironment(
  placement: EnvironmentPlacement,
  material: CredentialMaterial,
): Record<string, string> {
  const placed: [string, string][] = [];
  for (const [variable, part] of Object.entries(placement.variables)) {
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(variable))
      refuse("an environment variable's name is A-Z a-z 0-9 _");
    const text = part === "username" ? usernameOf(material) : textOf(material);
    if (text.includes("\0")) refuse(`${variable}: an environment variable cannot hold a NUL byte`);
    placed.push([variable, text]);
  }
  return Object.fromEntries(placed);
}

function withHeader(request: PlacedRequest, name: string, value: string): PlacedRequest {
  const lower = name.toLowerCase();
  if (!TOKEN.test(name)) refuse("a header's name is an HTTP token");
  if (NOT_FOR_CREDENTIALS.has(lower)) refuse(`${lower} is not a header for credentials`);
  // Visible ASCII, with spaces inside only. A line break would begin another header, or another request.
  if (!/^[\x21-\x7e]+(?: +[\x21-\x7e]+)*$/.test(value))
    refuse(`the credential for ${lower} holds bytes no header can`);
  const headers: string[] = [];
  for (let at = 0; at + 1 < request.headers.length; at += 2) {
    const [other = "", otherValue = ""] = [request.headers[at], request.headers[at + 1]];
    if (sameField(other, lower)) continue;
    headers.push(other, otherValue);
  }
  headers.push(name, value);
  return { path: request.path, headers };
}

/** CGI and its descendants read `X_Api_Key` and `X-Api-Key` as one. */
function sameField(name: string, lower: string): boolean {
  return (
    name.length === lower.length && name.toLowerCase().replaceAll("_", "-") === lower.replaceAll("_", "-")
  );
}

function withQuery(request: PlacedRequest, name: string, value: string): PlacedRequest {
  if (name === "" || name.length > 128) refuse("a query parameter's name is 1 to 128 characters");
  if (request.path.includes("#")) refuse("a request's path has no fragment");
  const mark = request.path.indexOf("?");
  const path = mark < 0 ? request.path : request.path.slice(0, mark);
  const pairs = mark < 0 ? [] : request.path.slice(mark + 1).split("&");
  const kept = pairs.filter((pair) => pair !== "" && !namesParameter(pair, name));
  const placed = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
  return { path: `${path}?${[...kept, placed].join("&")}`, headers: [...request.headers] };
}

/** Read as the most lenient server does: percent signs and plus decoded, any case, and `;` too may separate. */
function namesParameter(pair: string, name: string): boolean {
  const lower = name.toLowerCase();
  return pair
    .split(";")
    .some((part) => [...new URLSearchParams(part).keys()].some((key) => key.toLowerCase() === lower));
}

function basic(material: CredentialMaterial): string {
  const username = usernameOf(material);
  const value = textOf(material);
  if (username.includes(":")) refuse("a user name for Basic has no colon: it would end there");
  if (/\p{Cc}/u.test(username + value)) refuse("Basic holds no control characters");
  return Buffer.from(`${username}:${value}`).toString("base64");
}

function usernameOf({ username }: CredentialMaterial): string {
  return username ?? refuse("the credential has no user name, and its placement asks for one");
}

function textOf({ value }: CredentialMaterial): string {
  if (value.length === 0) refuse("the credential is empty");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    return refuse("the credential is not text in UTF-8");
  }
}

function refuse(reason: string): never {
  throw new EgressError("header", reason);
}
