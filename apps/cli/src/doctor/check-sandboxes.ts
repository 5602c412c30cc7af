import type { SandboxReport } from "@sallyport/contracts";
import type { Heard } from "../hear-presence.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import { amountsOf } from "./pool-settings.ts";

type Properties = SandboxReport["properties"];
type Pool = SandboxReport["pools"][number];

/** In what a class of sandboxes is weaker than the strictest, a sentence each. */
export type Weaknesses = (of: SandboxReport["class"]) => readonly string[];

/** Pure: what each runner's probe has proven on its host, what it has not and why, and what its pools give. */
export function checkSandboxes(heard: readonly Heard[], weaknesses: Weaknesses): Check[] {
  return heard
    .filter(({ zone }) => zone === "runner")
    .flatMap(({ instance, sandboxes, servers = [] }) => {
      if (sandboxes !== undefined)
        return [
          checkIsolation(instance, sandboxes, weaknesses),
          ...sandboxes.pools.map((pool) => checkPool(instance, pool)),
        ];
      if (servers.length === 0) return [];
      const what = `${instance} announces nothing of what its probe has proven that this version understands`;
      return [
        warning(
          `isolation ${instance}`,
          what,
          "bring the runner and this program to one version; its log has it",
        ),
      ];
    });
}

/** What the probe tries, in the words of a pool's settings. */
const settings: Record<Properties[number]["property"], string> = {
  isolation: "isolation",
  "workspace.bytes": "disk",
  "workspace.base": "base",
  "workspace.inodes": "inodes",
  temporaryBytes: "temporary",
  "limits.memoryBytes": "memory",
  "limits.pids": "pids",
  "limits.cpus": "cpus",
  egress: "egress",
};

function checkIsolation(runner: string, report: SandboxReport, weaknesses: Weaknesses): Check {
  const name = `isolation ${runner}`;
  const { user, limits, workspace } = report.class;
  const weaker = weaknesses(report.class);
  const proven = report.properties.filter((one) => one.proven);
  const unproven = report.properties.filter((one) => !one.proven);
  const what = [
    `${report.driver}, ${user}, limits by ${limits}, workspace ${workspace}`,
    `proven from inside: ${proven.map(({ property }) => settings[property]).join(", ") || "nothing"}`,
    ...unproven.map(
      ({ property, why }) => `not proven: ${settings[property]}: ${why ?? "it does not say why"}`,
    ),
    ...weaker.map((sentence) => `weaker: ${sentence}`),
  ].join("\n");
  return { ...judge(name, what, { runner, unproven, weaker }), isolation: { ...report, weaker } };
}

function judge(
  name: string,
  what: string,
  { runner, unproven, weaker }: { runner: string; unproven: Properties; weaker: readonly string[] },
): Check {
  if (unproven.some(({ property }) => property === "isolation")) {
    const fix = `let ${runner} take no work until this is mended: sallyport boundary test on its machine`;
    return failed(name, what, fix);
  }
  if (unproven.length === 0 && weaker.length === 0) return ok(name, what);
  const fix = `see what ${runner} lacks in docs/guides/deploy-a-zone.md, What the machine needs: root with \`uids\`, or \`delegatedCgroup\``;
  return warning(name, what, fix);
}

function checkPool(runner: string, { name, gives, unlimited }: Pool): Check {
  const what = `${runner} gives ${amountsOf(gives)}`;
  if (unlimited.length === 0) return ok(`pool ${name}`, what);
  return warning(
    `pool ${name}`,
    `${what}\nunlimited: ${unlimited.join(", ")}: one sandbox can take these from all others`,
    `set them in \`pools.${name}\` of ${runner}, on a host that can limit them`,
  );
}
