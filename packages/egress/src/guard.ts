import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { RANGES, type Range } from "./guarded-ranges.ts";

export type AddressVerdict =
  | { ok: true }
  /** `literal`: a route that names this very address may dial it all the same. */
  | { ok: false; reason: string; literal: boolean };

/** Most specific first, so that the first range that holds an address decides. */
const ORDERED = RANGES.map((range) => ({ range, block: ipaddr.parseCIDR(range.cidr) })).sort(
  (a, b) => b.block[1] - a.block[1],
);

/**
 * How far names may lead. `private`: for routes that we name ourselves, to the servers on private networks. `public`: for
 * names that a sandbox chooses: private networks are where its neighbours are.
 */
export type Reach = "private" | "public";

/**
 * May a name lead to this address? Pure.
 *
 * @param address an IPv4 address of four decimal numbers, or an IPv6 address without zone; anything else is refused
 */
export function judgeAddress(address: string, reach: Reach = "private"): AddressVerdict {
  if (isIP(address) === 0 || address.includes("%"))
    return never(`not an address: ${JSON.stringify(address)}`);
  const parsed = ipaddr.parse(address);
  const range = rangeOf(parsed);
  if (range === undefined) return never(`${address} is in no known range`);
  const reason = `${address} is ${range.is} (${range.source})`;
  switch (range.rule) {
    case "allow":
      return { ok: true };
    case "private":
      return reach === "private" ? { ok: true } : { ok: false, reason, literal: true };
    case "literal":
      return { ok: false, reason, literal: true };
    case "never":
      return never(reason);
    default:
      return judgeEmbedded(reason, range.rule(parsed.toByteArray()), reach);
  }
}

/** Loopback in IPv6 clothes is a way around a guard, not a way to write a route: never, not even literally. */
function judgeEmbedded(outer: string, inner: readonly number[][], reach: Reach): AddressVerdict {
  for (const bytes of inner) {
    const verdict = judgeAddress(bytes.join("."), reach);
    if (!verdict.ok) return never(`${outer} of ${verdict.reason}`);
  }
  return { ok: true };
}

function rangeOf(address: ipaddr.IPv4 | ipaddr.IPv6): Range | undefined {
  return ORDERED.find(({ block }) => block[0].kind() === address.kind() && address.match(block))?.range;
}

function never(reason: string): AddressVerdict {
  return { ok: false, reason, literal: false };
}
