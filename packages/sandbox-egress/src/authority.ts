import { isIP } from "node:net";

/** Where a request wants to go, in the one spelling that policies, look-ups, SNI and Host are compared in. */
export interface Authority {
  /** Lower case, A-labels; or an address, IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  /** The host is an address. */
  readonly literal: boolean;
}

export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly reason: string };

const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/**
 * `host:port` as a request wrote it, or `host` where the scheme has a port of its own. Strict: two parsers that read one
 * text differently are how a proxy is walked around, so whatever has more than one reading is refused, not mended. Pure.
 *
 * Refused: user names, dots at the end, anything but ASCII (write A-labels), underscores, addresses as one number, in
 * octal, in hex or with less than four parts, IPv6 in any but its shortest spelling or with a zone.
 */
export function parseAuthority(text: string, defaultPort?: number): Parsed<Authority> {
  if (text.length > 300) return refuse("the host is too long");
  if (!/^[\x21-\x7e]+$/.test(text)) return refuse("a host is written in ASCII: use its A-label (xn--…)");
  if (text.includes("@")) return refuse("a host comes without user and password");
  const parts = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text);
  if (parts === null) return refuse("a host and a port are written as host:port");
  const [, written = "", digits] = parts;
  const port = digits === undefined ? defaultPort : Number(digits);
  if (port === undefined) return refuse("the port is missing");
  if (port < 1 || port > 65_535 || digits?.startsWith("0")) return refuse("that is no port");
  const host = hostOf(written);
  return host.ok ? { ok: true, value: { ...host.value, port } } : host;
}

export function sameAuthority(a: Authority, b: Authority): boolean {
  return a.host === b.host && a.port === b.port;
}

/** `host:port`, for the log and for look-ups in configuration. */
export function authorityText({ host, port }: Pick<Authority, "host" | "port">): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function hostOf(written: string): Parsed<Omit<Authority, "port">> {
  if (written.startsWith("[")) {
    const address = written.slice(1, -1).toLowerCase();
    const canonical =
      isIP(address) === 6 && !address.includes("%") && URL.canParse(`http://[${address}]`)
        ? new URL(`http://[${address}]`).hostname.slice(1, -1)
        : undefined;
    if (canonical !== address) return refuse("an IPv6 address is written in its shortest form, without zone");
    return { ok: true, value: { host: address, literal: true } };
  }
  const host = written.toLowerCase();
  if (host.endsWith(".")) return refuse("write the host without the dot at its end");
  if (host.length > 253 || !host.split(".").every((label) => LABEL.test(label)))
    return refuse("that is no host's name");
  if (isIP(host) === 4) return { ok: true, value: { host, literal: true } };
  // What the WHATWG parser or inet_aton would take for an address: 2852039166, 0xa9.254.1, 0251.0376.0.1, 127.1
  if (/^(0x[0-9a-f]*|\d+)$/.test(host.split(".").at(-1) ?? ""))
    return refuse("an IPv4 address is written as four decimal numbers");
  return { ok: true, value: { host, literal: false } };
}

function refuse(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
