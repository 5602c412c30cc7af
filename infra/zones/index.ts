/**
 * One Terraform root for each zone, in a folder of its name, with a state of its own. This package is what looks at
 * them: a walk over everything that a root would make or has made, by rules that each say one promise.
 */
export { type CheckedFinding, check, type RuleName, type ZoneName, zones } from "./src/check.ts";
export type { Shown } from "./src/resources.ts";
