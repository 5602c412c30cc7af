import type { Capabilities, Requirements } from "@sallyport/contracts";

/** One requirement that was not proved: what is asked for, and what there is. */
export interface Lack {
  requirement: keyof Requirements;
  asked: string | number;
  proved: string | number;
}

/** Pure: whether every requirement is one that was proved. None is met "as well as possible". */
export function accepts(has: Capabilities, wants: Requirements): boolean {
  return lacks(has, wants).length === 0;
}

/** Pure: which requirements were not proved. */
export function lacks(has: Capabilities, wants: Requirements): Lack[] {
  const lack = (requirement: keyof Requirements, proved: string | number): Lack[] => [
    { requirement, asked: wants[requirement], proved },
  ];
  const kind = (which: "kernel" | "network") => {
    const proved: readonly string[] = has[which];
    return proved.includes(wants[which]) ? [] : lack(which, proved.join(" or ") || "nothing");
  };
  const amount = (which: "memoryMiB" | "pids" | "cpu" | "diskMiB") =>
    wants[which] <= has[which] ? [] : lack(which, has[which]);
  return [
    ...kind("kernel"),
    ...kind("network"),
    ...amount("memoryMiB"),
    ...amount("pids"),
    ...amount("cpu"),
    ...amount("diskMiB"),
  ];
}
