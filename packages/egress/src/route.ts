import { isIP } from "node:net";
import { EgressError } from "./egress-error.ts";
import { judgeAddress } from "./guard.ts";

/** The one place that a route leads to. */
export interface UpstreamTarget {
  readonly url: URL;
  /** The address that the URL names instead of a host: the only way to dial a loopback address. */
  readonly literal: string | undefined;
}

const AUTHORITY = /^https?:\/\/([^/?#\\]*)/i;

/**
 * A route's URL, from configuration. http and https only, no user, no fragment. A host must be written as it will be
 * used: the WHATWG parser would read `2852039166`, `0xa9.254.0251.254`, `169.254.43518` and full-width digits all as
 * 169.254.169.254, and drop tabs and line breaks, so that what was reviewed is not what is dialled.
 *
 * @throws EgressError `target`, or `address-refused` for a literal address that is never dialled
 */
export function parseTarget(text: string): UpstreamTarget {
  // The text may hold a password: it is not repeated.
  const refuse = (reason: string): never => {
    throw new EgressError("target", reason);
  };
  if (/[^\x21-\x7e]/.test(text)) return refuse("a route's URL is printable ASCII, without spaces");
  const authority = AUTHORITY.exec(text)?.[1] ?? refuse("a route's URL begins with http:// or https://");
  if (authority.includes("@")) return refuse("a route's URL holds no user or password: use a credential");
  if (text.includes("#") || text.includes("\\"))
    return refuse("a route's URL has no fragment and no backslash");
  if (!URL.canParse(text)) return refuse("a route's URL does not parse");
  const url = new URL(text);
  if (url.port === "0") return refuse("port 0 is not a port");
  const host = authority.replace(/:\d*$/, "");
  if (host.startsWith("[")) return literalTarget(url, url.hostname.slice(1, -1));
  if (host.toLowerCase() !== url.hostname)
    return refuse(`write the host as ${url.hostname}, the way it is used`);
  if (host.endsWith(".")) return refuse("write the host without the dot at its end");
  return isIP(host) === 0 ? { url, literal: undefined } : literalTarget(url, host);
}

function literalTarget(url: URL, address: string): UpstreamTarget {
  const verdict = judgeAddress(address);
  if (!verdict.ok && !verdict.literal) throw new EgressError("address-refused", verdict.reason);
  return { url, literal: address };
}
