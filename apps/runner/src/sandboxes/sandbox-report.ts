import { printable, type SandboxReport } from "@sallyport/contracts";
import type { Capabilities, Check } from "@sallyport/isolation";
import type { Pool } from "../config.ts";
import { capabilitiesOf, unlimitedIn } from "./pool-spec.ts";

const whyCharacters = 400;

/** Pure: what the probe has proven on this host, and what the pools give, as a runner announces it. */
export function sandboxReport(probed: Capabilities, pools: Readonly<Record<string, Pool>>): SandboxReport {
  return {
    driver: probed.driver,
    class: probed.class,
    properties: [...Map.groupBy(probed.checks, ({ protects }) => protects)].map(([property, checks]) => {
      const failed = checks.filter(({ proven }) => !proven);
      return failed.length === 0
        ? { property, proven: true }
        : { property, proven: false, why: whyOf(failed) };
    }),
    pools: Object.entries(pools).map(([name, pool]) => ({
      name,
      gives: capabilitiesOf(pool),
      unlimited: unlimitedIn(pool),
    })),
  };
}

/** What was seen comes from inside a sandbox. */
function whyOf([first, ...others]: readonly Check[]): string {
  if (first === undefined) return "";
  const { check, expected, seen, why } = first;
  const more = others.length === 0 ? "" : ` (${others.length} more failed)`;
  return `${printable(`${check}: expected ${expected}, saw ${seen}. ${why}`, whyCharacters - more.length)}${more}`;
}
