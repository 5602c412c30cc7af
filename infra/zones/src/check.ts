import { type Shown, walk } from "./resources.ts";
import { containers } from "./rules/containers.ts";
import { encryption } from "./rules/encryption.ts";
import { knownTypes } from "./rules/known-types.ts";
import { machines } from "./rules/machines.ts";
import { noAttachedRights, policies } from "./rules/policies.ts";
import { publicAddress } from "./rules/public-address.ts";
import type { Finding, Reach, Rule } from "./rules/rule.ts";
import { defaultsClosed, wayIn, wayInByAcl } from "./rules/way-in.ts";
import { wayOut } from "./rules/way-out.ts";

/** By name, as a finding shows it. */
export const rules = {
  knownTypes,
  wayIn,
  wayInByAcl,
  defaultsClosed,
  publicAddress,
  wayOut,
  policies,
  noAttachedRights,
  encryption,
  machines,
  containers,
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleName = keyof typeof rules;

/** Whom each zone faces. A zone that is not here has no root. */
export const zones = {
  edge: "public",
  relay: "public",
  connector: "private",
  runner: "private",
  broker: "private",
  collector: "private",
} as const satisfies Readonly<Record<string, Reach>>;

export type ZoneName = keyof typeof zones;

export interface CheckedFinding extends Finding {
  readonly rule: RuleName;
}

/** Pure: what is against the rules in a plan or state of a zone, `terraform show -json`. Throws on anything else. */
export function check(shown: Shown, zone: ZoneName): CheckedFinding[] {
  const all = walk(shown);
  return (Object.keys(rules) as RuleName[]).flatMap((rule) =>
    rules[rule](all, zones[zone]).map((finding) => ({ rule, ...finding })),
  );
}
