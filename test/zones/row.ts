import type { OnTheRelay } from "./taken.fixture.ts";

/** What a taken zone reached, as a row of the threat model's table. */
export function rowOf(
  zone: string,
  reached: {
    dials: readonly string[];
    relay: OnTheRelay;
    vault: ReadonlyMap<string, number> | undefined;
  },
): string {
  const { dials, relay, vault } = reached;
  const list = (of: readonly string[]) => of.map((one) => `\`${one}\``).join(" ") || "nothing";
  const open = [...(vault ?? [])].filter(([, status]) => status < 400).map(([path]) => path);
  return `| ${[zone, list(dials), list(relay.says), list(relay.hears), list(relay.reads), list(relay.writes), list(open)].join(" | ")} |`;
}
