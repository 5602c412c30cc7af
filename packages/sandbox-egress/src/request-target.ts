import { type Authority, authorityText, type Parsed, parseAuthority, sameAuthority } from "./authority.ts";

/** A request's target after all its spellings were found to agree. */
export interface Target {
  readonly scheme: "http" | "https";
  readonly authority: Authority;
  /** Path without query, as policies judge it and servers get it. */
  readonly path: string;
  /** With its question mark; "" where there is none. */
  readonly query: string;
}

const ABSOLUTE = /^http:\/\/([^/?#\\]*)(.*)$/i;
const MOST_TARGET = 8192;

/**
 * The absolute form that a client sends to a proxy (RFC 9112, section 3.2.2). `Host` must say the same: a server reads
 * one of the two, and the policy judged the other. Pure.
 */
export function parseAbsoluteTarget(target: string, host: string): Parsed<Target> {
  const [, written, rest = ""] = ABSOLUTE.exec(target) ?? [];
  if (written === undefined)
    return refuse("send http:// requests in absolute form, and https:// ones through CONNECT");
  const authority = parseAuthority(written, 80);
  if (!authority.ok) return authority;
  const said = parseAuthority(host, 80);
  if (!said.ok || !sameAuthority(said.value, authority.value))
    return refuse("the Host header is not the host that the request names");
  return withPath("http", authority.value, rest.startsWith("?") ? `/${rest}` : rest || "/");
}

/** The origin form within a tunnel (section 3.2.1): `Host` must be where the tunnel leads. Pure. */
export function parseOriginTarget(target: string, host: string, tunnel: Authority): Parsed<Target> {
  if (!target.startsWith("/")) return refuse("inside a tunnel a request names its path alone");
  // Nearly all write it as we do: read again is what is written otherwise.
  const said = host === authorityText(tunnel) ? undefined : parseAuthority(host, 443);
  if (said !== undefined && !(said.ok && sameAuthority(said.value, tunnel)))
    return refuse("the Host header is not the host that the tunnel was opened to");
  return withPath("https", tunnel, target);
}

function withPath(scheme: Target["scheme"], authority: Authority, text: string): Parsed<Target> {
  if (text.length > MOST_TARGET) return refuse("the path is too long");
  const mark = text.indexOf("?");
  const path = mark < 0 ? text : text.slice(0, mark);
  const query = mark < 0 ? "" : text.slice(mark);
  const problem =
    pathProblem(path) ?? (/[^\x21-\x7e]|#/.test(query) ? "the query is not a URL's" : undefined);
  return problem === undefined ? { ok: true, value: { scheme, authority, path, query } } : refuse(problem);
}

/**
 * A rule that allows /v1/* means what the server will take for that. What a server may read as another path is refused:
 * dots that climb, in any encoding; backslashes; letters in percent form; slashes doubled.
 */
function pathProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return "a path begins with /";
  if (/[^\x21-\x7e]|[#\\"<>^`{|}]/.test(path)) return "the path holds what must be percent-encoded";
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return "a percent sign in the path begins no %XX";
  if (/%(?:3[0-9]|[46][1-9A-F]|[57][0-9A]|2[DE]|5F)/i.test(path))
    return "the path hides letters, digits, dots or dashes behind percent signs: write them as they are";
  if (/%(?:00|0[1-9A-F]|1[0-9A-F]|7F|5C)/i.test(path))
    return "the path hides a control character or backslash";
  if (path.includes("//")) return "the path holds an empty step (//)";
  const steps = deepestReading(path).split(/[/\\]/);
  // `..;x` is `..` to servers that cut path parameters off.
  if (steps.some((step) => /^\.{1,2}(;.*)?$/.test(step))) return "the path climbs with . or ..";
  return undefined;
}

/** A server behind a server may decode again. */
export function deepestReading(path: string): string {
  let read = path;
  for (let layer = 0; layer < 4 && read.includes("%"); layer++)
    read = read.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return read;
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
