import type { SourceFile } from "./source-files.ts";

/** What the files of one kind of package may import of the workspace. */
export interface Layer {
  /** Workspace folders, most specific first. */
  readonly of: RegExp;
  readonly may: RegExp;
  /** For tests and fixtures, besides. */
  readonly testsMayToo?: RegExp;
  readonly because: string;
}

const nothing = /^$/;
const contracts = /^packages\/contracts$/;
const neighbours = /^(?:packages\/(?!bus$|runtime$)|infra\/(?!local$))/;

/** `contracts ← bus ← apps`; the idea packages stand on contracts alone. The first that fits a folder holds. */
const layers: readonly Layer[] = [
  {
    of: contracts,
    may: nothing,
    because: "contracts is the floor: what it stood on could not use a contract",
  },
  {
    of: /^packages\/testkit$/,
    may: contracts,
    because: "the testkit tests every package, so it can stand on none",
  },
  {
    of: /^packages\/(?:bus|runtime)$/,
    may: contracts,
    testsMayToo: neighbours,
    because: "bus and runtime know messages, and neither each other nor any idea",
  },
  {
    of: /^packages\/zone$/,
    may: /^packages\/(?:contracts|bus|runtime)$/,
    testsMayToo: neighbours,
    because: "what every zone does first joins bus and runtime, and knows no idea",
  },
  {
    of: /^packages\/gate$/,
    may: /^packages\/(?!testkit$|gate$)/,
    testsMayToo: neighbours,
    because:
      "the gate is where the ideas meet: every zone that offers servers decides, records and scrubs there",
  },
  {
    of: /^packages\/sandbox-egress$/,
    may: /^packages\/(?:contracts|certificates|egress|policy|scrub)$/,
    testsMayToo: neighbours,
    because: "a sandbox's door joins the guard, the policies and the scrubber, and knows no bus",
  },
  {
    of: /^packages\/boundary$/,
    may: /^packages\/(?:contracts|isolation|sandbox-agent|sandbox-egress|policy)$/,
    testsMayToo: neighbours,
    because: "the attack list is tried against the real parts of a sandbox",
  },
  {
    of: /^packages\/work$/,
    may: /^packages\/(?:contracts|bus)$/,
    testsMayToo: neighbours,
    because: "work is a road between edges and runners: its decisions are pure, its effects go over the bus",
  },
  {
    of: /^packages\/installation$/,
    may: /^packages\/(?:contracts|certificates|seal)$/,
    testsMayToo: neighbours,
    because: "what crosses a zone's border has enrolments in it, and is read where no bus is open",
  },
  {
    of: /^packages\//,
    may: contracts,
    testsMayToo: neighbours,
    because: "an idea package is one idea: it is read, tested and audited without the others",
  },
  {
    of: /^apps\/cli$/,
    may: /^packages\/(?!testkit$)|^infra\/nats$/,
    testsMayToo: /^(?:packages|infra|examples)\//,
    because: "the operator's command line makes what infrastructure is generated from, and is no zone",
  },
  {
    of: /^apps\//,
    may: /^packages\/(?!testkit$)/,
    testsMayToo: /^(?:packages|infra|examples)\//,
    because: "each zone can be deployed, and fall, without the others: apps meet over the bus",
  },
  {
    of: /^infra\/local$/,
    may: /^(?:packages|infra|examples)\/|^apps\/cli$/,
    because: "the local stack starts apps as processes; of the command line it shows what a person would see",
  },
  {
    of: /^infra\/nats$/,
    may: /^packages\/(?:contracts|bus|zone|installation)$/,
    testsMayToo: /^packages\//,
    because:
      "a relay is generated from contracts; its operator goes to it by the roads that zones have, and keeps files as they do",
  },
  {
    of: /^infra\//,
    may: contracts,
    testsMayToo: /^packages\//,
    because: "infrastructure is generated from contracts, before any app runs",
  },
  { of: /^examples\//, may: nothing, because: "an example stands for a server or an agent that is not ours" },
  {
    of: /^test$/,
    may: /^(?:packages|infra|examples)\//,
    because: "what crosses apps is tested from outside, on the processes that ship",
  },
];

/** Path prefix → why its files may reach into another package by a path. One that nobody needs fails the test. */
export const reachesInside: Readonly<Record<string, string>> = {
  "test/security/relay-world.fixture.ts":
    "plays an edge that was taken over, with the edge's own parts in hand",
};

export function layerOf(file: SourceFile): Layer | undefined {
  const folder = file.workspace?.folder;
  return folder === undefined ? undefined : layers.find(({ of }) => of.test(folder));
}
