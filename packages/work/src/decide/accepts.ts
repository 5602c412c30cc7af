import type { Capabilities, Requirements } from "@sallyport/contracts";

/** Pure: whether every requirement is one that was proved. None is met "as well as possible". */
export function accepts(has: Capabilities, wants: Requirements): boolean {
  return (
    has.kernel.includes(wants.kernel) &&
    has.network.includes(wants.network) &&
    wants.memoryMiB <= has.memoryMiB &&
    wants.pids <= has.pids &&
    wants.cpu <= has.cpu &&
    wants.diskMiB <= has.diskMiB
  );
}
