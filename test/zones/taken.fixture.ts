import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { connectBus, request } from "@sallyport/bus";
import {
  type Contract,
  contracts,
  leaseCredential,
  leaseForSandbox,
  ServiceError,
  type ZoneInstance,
} from "@sallyport/contracts";
import { signGrant, tokenHash } from "@sallyport/grant";
import { type Attempt, attemptsOn, neverAllowed } from "../security/nats-expected.ts";
import { Wire } from "../security/nats-wire.ts";
import type { World } from "./world.fixture.ts";

export type TakenPlace = "edge" | "connector" | "runner" | "broker" | "collector";

const instances: Record<TakenPlace, string> = {
  edge: "edge-1",
  connector: "connector-1",
  runner: "runner-1",
  broker: "broker-1",
  collector: "collector-1",
};
const everyone = (Object.entries(instances) as [TakenPlace, string][]).map(
  ([zone, instance]): ZoneInstance => ({ zone, instance }),
);

/** What the relay let somebody do, as contracts' subjects and streams, and where that was not as the contracts say. */
export interface OnTheRelay {
  says: readonly string[];
  hears: readonly string[];
  reads: readonly string[];
  writes: readonly string[];
  surprises: readonly string[];
  refused: number;
}

/** From the zone's own network and with its own NATS user: everything that any contract has, in anybody's name. */
export async function tryRelay(world: World, zone: TakenPlace): Promise<OnTheRelay> {
  const who: ZoneInstance = { zone, instance: instances[zone] };
  const { url, caFile } = await world.relayFrom(zone);
  const creds = readFileSync(world.material.path(`nats/${who.zone}-${who.instance}.creds`));
  const wire = await Wire.open(Number(new URL(url).port), creds, readFileSync(caFile, "utf8"));
  const found = {
    says: new Set<string>(),
    hears: new Set<string>(),
    reads: new Set<string>(),
    writes: new Set<string>(),
  };
  const surprises: string[] = [];
  let refused = 0;
  const attempt = async (one: Attempt, note: () => void) => {
    const { act, subject, queue } = one;
    const refusals = act === "pub" ? await wire.publish(subject) : await wire.trySubscribe(subject, queue);
    const allowed = refusals.length === 0;
    if (allowed) note();
    else refused += 1;
    if (allowed !== one.allowed)
      surprises.push([act, subject, queue, allowed ? "is allowed" : "is refused"].filter(Boolean).join(" "));
  };
  try {
    for (const contract of contracts)
      await Promise.all(
        attemptsOn(contract, who, everyone).map((one) => attempt(one, () => noteIn(found, contract, one))),
      );
    await Promise.all(neverAllowed(who, everyone).map((one) => attempt(one, () => undefined)));
  } finally {
    await wire.close();
  }
  const sorted = (set: Set<string>) => [...set].sort();
  return {
    ...{ says: sorted(found.says), hears: sorted(found.hears), reads: sorted(found.reads) },
    ...{ writes: sorted(found.writes), surprises, refused },
  };
}

function noteIn(
  found: Record<"says" | "hears" | "reads" | "writes", Set<string>>,
  contract: Contract,
  { act, subject }: Attempt,
): void {
  if (contract.kind === "bucket") {
    if (subject.startsWith("$KV.")) found.writes.add(contract.name);
    else found.reads.add(contract.name);
  } else if (subject.startsWith("$JS.")) found.reads.add("stream" in contract ? contract.stream : "");
  else {
    const roads = contract.kind === "stream" ? [contract.up, contract.down] : [contract.subject];
    const road = roads.find(({ pattern }) =>
      pattern
        .split(".")
        .slice(0, 3)
        .every((word, at) => word.startsWith("{") || word === subject.split(".")[at]),
    );
    (act === "pub" ? found.says : found.hears).add(road?.pattern ?? subject);
  }
}

/** Asks the broker for every credential with what a thief can make himself: nothing, and a grant signed by a key of his. */
export async function tryLeases(world: World, zone: "connector" | "runner"): Promise<readonly string[]> {
  const who: ZoneInstance = { zone, instance: instances[zone] };
  const { url, caFile } = await world.relayFrom(zone);
  const creds = world.material.path(`nats/${who.zone}-${who.instance}.creds`);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const bus = await connectBus({ servers: [url], caFile, who, credentials: { creds }, log });
  const key = generateKeyPairSync("ed25519").privateKey;
  const now = new Date();
  const forged = await signGrant(
    {
      ...{ id: crypto.randomUUID(), edge: "edge-1", tenant: "local", agent: "demo-agent", server: "orders" },
      ...{ scopes: ["mcp:orders"], tokenHash: tokenHash("stolen"), tokenIssuer: "https://issuer.example" },
      ...{ connector: who.instance, session: "s".repeat(22), issuedAt: now },
      expiresAt: new Date(now.getTime() + 60_000),
    },
    { key, keyId: "edge-1" },
  );
  const outcomes: string[] = [];
  try {
    for (const credential of ["orders-api", "tickets-db"])
      for (const grant of ["", "x.y.z", forged]) {
        const input = { grant, credential, sealSession: "s".repeat(22), session: "s-1" };
        const asked =
          zone === "connector"
            ? request(bus, leaseCredential, { params: { connector: who.instance }, input, timeoutMs: 5_000 })
            : request(bus, leaseForSandbox, { params: { runner: who.instance }, input, timeoutMs: 5_000 });
        outcomes.push(
          await asked.then(
            () => "leased",
            (error: unknown) => (error instanceof ServiceError ? error.code : String(error)),
          ),
        );
      }
  } finally {
    await bus.close();
  }
  return outcomes;
}
