import type { Capabilities, Requirements } from "@sallyport/contracts";

type Requirement = keyof Requirements;

/** In the order in which they are shown, each with the setting of a runner's pool that gives it. */
const given: Record<Requirement, string | undefined> = {
  kernel: undefined,
  network: "egress",
  memoryMiB: "memory",
  pids: "pids",
  cpu: "cpus",
  diskMiB: "disk",
};

/** What a pool gives or a session asks for: `kernel shared, network none or egress, memoryMiB 512, …`. */
export function amountsOf(of: Capabilities | Requirements): string {
  const all = Object.keys(given) as Requirement[];
  return all.map((one) => `${one} ${[of[one]].flat().join(" or ") || "nothing"}`).join(", ");
}

/** What to change so that a runner can take a session of the pool. */
export function howToFit(pool: string, lacking: Iterable<Requirement>): string {
  return [...new Set(lacking)]
    .map((one) => {
      const asked = `\`sandboxes.${pool}.${one}\``;
      if (one === "kernel") return `ask for \`shared\` in ${asked} of the edge`;
      if (one === "network")
        return `ask for \`none\` in ${asked} of the edge, or give \`pools.${pool}.egress\` to a runner`;
      return `lower ${asked} of the edge, or raise \`pools.${pool}.${given[one]}\` of a runner`;
    })
    .join("; ");
}
