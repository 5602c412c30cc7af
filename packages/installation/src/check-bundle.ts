import { X509Certificate } from "node:crypto";
import { type Account, type ClaimsData, decode, type User } from "@nats-io/jwt";
import { type Bundle, isSignedByOperator } from "./bundle.ts";

/** One reason not to install a bundle, and what to do. */
export interface BundleProblem {
  what: string;
  fix: string;
}

export interface BundleExpectation {
  /** `O…`: whose bundles this zone takes. Undefined where nobody has said. */
  operator: string | undefined;
  now: Date;
}

const anew = "ask the operator for a new bundle";

/**
 * Pure: what is wrong with a bundle, apart from whether its keys are kept here. The signature comes first, and without it
 * nothing else is looked at: the rest would be somebody's words about himself.
 */
export function problemsOfBundle(bundle: Bundle, expected: BundleExpectation): BundleProblem[] {
  if (!isSignedByOperator(bundle)) {
    return [
      { what: "its signature does not hold: it was changed after it was signed, or is not whole", fix: anew },
    ];
  }
  if (expected.operator !== undefined && bundle.operator !== expected.operator) {
    const what = `it is of another operator, ${bundle.operator}; this zone takes those of ${expected.operator}`;
    return [{ what, fix: "use a bundle of your own operator; nothing of this one was used" }];
  }
  return [
    ...jwtProblems(bundle, expected.now),
    ...problemsOfAuthority("relay", bundle.relay.ca, expected.now),
    ...problemsOfAuthority("issuer", bundle.tokens?.ca, expected.now),
  ];
}

/** The user's JWT is for this key and name, signed by an account that the operator signed, and not cut off in it. */
function jwtProblems({ nats, zone, instance, tenant, operator }: Bundle, now: Date): BundleProblem[] {
  const user = verified<User>(nats.jwt);
  const account = verified<Account>(nats.account);
  if (user === undefined || account === undefined)
    return [{ what: "a JWT in it is not signed by whom it names", fix: anew }];
  const said = `${zone}/${instance}`;
  const revokedAt = account.nats.revocations?.[nats.publicKey];
  const checks: [good: boolean, what: string][] = [
    [account.iss === operator, "its account was not signed by its operator"],
    [account.name === tenant, `its account is of the tenant ${account.name}, not ${tenant}`],
    [user.iss === account.sub, "its NATS user was not signed by its account"],
    [user.sub === nats.publicKey, "its JWT is for another key than it says"],
    [user.name === said, `its JWT is for ${user.name}, not ${said}`],
    [user.exp === undefined || user.exp * 1000 > now.getTime(), "its JWT has expired"],
    [revokedAt === undefined || user.iat > revokedAt, "its NATS user was revoked"],
  ];
  return checks.filter(([good]) => !good).map(([, what]) => ({ what, fix: anew }));
}

function verified<T>(jwt: string): ClaimsData<T> | undefined {
  try {
    return decode<T>(jwt);
  } catch {
    return undefined;
  }
}

/** Of several authorities, as in a change from one to the next, one that counts now is enough. */
export function problemsOfAuthority(
  of: "relay" | "issuer",
  ca: string | undefined,
  now: Date,
): BundleProblem[] {
  if (ca === undefined) return [];
  let authorities: X509Certificate[];
  try {
    authorities = ca
      .split(/(?<=-----END CERTIFICATE-----)/)
      .filter((one) => one.trim() !== "")
      .map((one) => new X509Certificate(one));
  } catch {
    return [{ what: `the ${of}'s authority in it is not a certificate`, fix: anew }];
  }
  const problems = authorities.map((one) => {
    if (one.validToDate <= now) return `expired on ${one.validToDate.toISOString()}`;
    if (one.validFromDate > now)
      return `counts from ${one.validFromDate.toISOString()} only: check this machine's clock`;
    return one.ca ? undefined : "is no authority, but an ordinary certificate";
  });
  if (problems.some((problem) => problem === undefined)) return [];
  const fix = `ask the operator for a bundle with the ${of}'s present authority`;
  return [{ what: `the ${of}'s authority ${problems.join("; ") || "is missing"}`, fix }];
}
