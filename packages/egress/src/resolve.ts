import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { EgressError } from "./egress-error.ts";
import { judgeAddress, type Reach } from "./guard.ts";
import type { UpstreamTarget } from "./route.ts";

/** All addresses of a name, as text. */
export type Resolver = (hostname: string) => Promise<readonly string[]>;

export interface AllowedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** As this machine resolves names: its hosts file, its name servers. */
export const systemResolver: Resolver = async (hostname) =>
  (await lookup(hostname, { all: true, order: "verbatim" })).map(({ address }) => address);

const MOST_ANSWERS = 64;

/**
 * The address to dial, looked up once. Every answer must be allowed: a name that leads to one bad address among good
 * ones is in somebody else's hands (DNS rebinding), and is refused whole. A name never leads to a loopback address,
 * whatever it is called; only the route's own literal does.
 *
 * @throws EgressError `dns`, `address-refused`
 */
export async function resolveAllowed(
  target: UpstreamTarget,
  resolver: Resolver,
  reach: Reach = "private",
): Promise<AllowedAddress> {
  if (target.literal !== undefined) {
    const verdict = judgeAddress(target.literal);
    if (!verdict.ok && !verdict.literal) throw new EgressError("address-refused", verdict.reason);
    return allowed(target.literal);
  }
  const { hostname } = target.url;
  const answers = await answersFor(hostname, resolver);
  for (const answer of answers) {
    const verdict = judgeAddress(answer, reach);
    if (!verdict.ok) throw new EgressError("address-refused", `${hostname} resolves to ${verdict.reason}`);
  }
  const [first] = answers;
  if (first === undefined) throw new EgressError("dns", `${hostname} has no address`);
  return allowed(first);
}

async function answersFor(hostname: string, resolver: Resolver): Promise<readonly string[]> {
  let answers: readonly string[];
  try {
    answers = await resolver(hostname);
  } catch (cause) {
    throw new EgressError("dns", `${hostname} does not resolve`, { cause });
  }
  if (answers.length > MOST_ANSWERS) {
    throw new EgressError("dns", `${hostname} has more than ${MOST_ANSWERS} addresses`);
  }
  return answers;
}

function allowed(address: string): AllowedAddress {
  return { address, family: isIP(address) === 6 ? 6 : 4 };
}
