import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { leakCheck, type Server, startServer } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listeningSockets, processTree } from "../e2e/processes.fixture.ts";
import { listens, mayDial, type Place, places } from "./dials.ts";
import { networkProblem } from "./network.fixture.ts";
import { logged, program } from "./roads.fixture.ts";
import { rowOf } from "./row.ts";
import { type TakenPlace, tryLeases, tryRelay } from "./taken.fixture.ts";
import { tryVault } from "./taken-vault.fixture.ts";
import { startWorld, type World } from "./world.fixture.ts";

afterAll(leakCheck);

const threatModel = join(import.meta.dirname, "../../docs/threat-model.md");

/** At every place something answers on this port, so that what keeps a packet from it is the firewall alone. */
const sentry = 9999;

const problem = await networkProblem();
if (problem !== undefined) console.warn(`NOT RUN: zones apart, each in a network of its own: ${problem}`);

describe.skipIf(problem !== undefined)("zones in networks of their own", { shuffle: false }, () => {
  let world: World;
  const sentries: Server[] = [];
  beforeAll(async () => {
    world = await startWorld();
    for (const place of places) sentries.push(await startSentry(place));
  }, 120_000);
  afterAll(async () => {
    for (const one of sentries) await one.stop();
    await world?.stop();
  });

  it("serve calls: to an API behind a bearer token, to a database with a user made for it, and in a sandbox", async () => {
    expect(await world.call("orders", "get_order", { id: "A-1001" })).toContain("Ada Lovelace");
    const sql = "SELECT current_user, customer FROM tickets WHERE id = 1";
    expect(await world.call("tickets", "execute_sql", { sql })).toContain("v-approle-sallypo");
    const command = 'curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" "$ORDERS_URL/A-1001"';
    expect(await world.call("sandbox", "bash", { command })).toContain("Ada Lovelace");
  });

  it("listen on nothing, but for the edge", () => {
    const listening = [...world.zones].filter(([, { pid }]) =>
      processTree([pid]).some((one) => listeningSockets(one.pid).length > 0),
    );
    expect(listening.map(([zone]) => zone)).toEqual(["edge"]);
  });

  it("connect in the directions of the table, and every other dial is dropped and counted", async () => {
    const before = await world.network.dropped();
    const seen = await everyDial();
    expect(seen.filter(({ outcome, wanted }) => outcome !== wanted)).toEqual([]);
    const after = await world.network.dropped();
    const uncounted = seen
      .filter(({ wanted }) => wanted === "no answer")
      .map(({ from, to }) => `${from}_to_${to}`)
      .filter((pair) => (after.get(pair) ?? 0) <= (before.get(pair) ?? 0));
    expect(uncounted).toEqual([]);
  });

  it("connect in every direction when the firewall is off: it is what keeps them apart", async () => {
    await world.network.enforce(false);
    try {
      const seen = await everyDial();
      expect(seen.filter(({ outcome }) => outcome !== "connected")).toEqual([]);
    } finally {
      await world.network.enforce(true);
    }
  });

  /** In this order: the broker is there for those who want leases of it. */
  const taken: readonly TakenPlace[] = ["collector", "runner", "connector", "edge", "broker"];

  it.each(taken)(
    "the %s, taken with its keys, its NATS user and its network, reaches its own row and no more",
    async (zone) => {
      await world.zones.get(zone)?.stop();
      const seen = await everyDial([zone]);
      const relay = await tryRelay(world, zone);
      expect(relay.surprises).toEqual([]);
      expect(relay.refused).toBeGreaterThan(200);
      if (zone === "connector" || zone === "runner") {
        const outcomes = await tryLeases(world, zone);
        expect(outcomes).toHaveLength(6);
        expect(outcomes.filter((outcome) => outcome !== "unauthenticated" && outcome !== "invalid")).toEqual(
          [],
        );
      }
      const dials = seen
        .filter(({ outcome }) => outcome === "connected")
        .map(({ to, port }) => `${to}:${port}`);
      const row = rowOf(zone, { dials, relay, vault: zone === "broker" ? await tryVault(world) : undefined });
      expect([documented(zone)], "docs/threat-model.md, If a zone is taken").toEqual([row]);
    },
    60_000,
  );

  /** The zone's row in the threat model, as it is written there but for the width of its cells. */
  function documented(zone: string): string | undefined {
    const [, section = ""] = readFileSync(threatModel, "utf8").split("## If a zone is taken");
    const line = section.split("\n").find((one) => one.startsWith(`| ${zone} `));
    return line?.replaceAll(/ +/g, " ");
  }

  interface Dial {
    from: Place;
    to: Place;
    port: number;
    wanted: "connected" | "no answer";
    outcome: string;
  }

  /** From each place, to whatever listens at each other one. */
  async function everyDial(whence: readonly Place[] = places): Promise<Dial[]> {
    const all = await Promise.all(
      whence.map(async (from) => {
        const targets = places
          .filter((to) => to !== from)
          .flatMap((to) =>
            [sentry, ...(listens[to] === undefined ? [] : [listens[to]])].map((port) => ({ to, port })),
          );
        const ask = targets.map(({ to, port }) => [world.network.address(to), port]);
        const { command, args } = program(world.network, from, ["dial.ts", JSON.stringify(ask)]);
        const { stdout } = await promisify(execFile)(command, args, { timeout: 30_000 });
        const outcomes = JSON.parse(stdout) as string[];
        return targets.map(({ to, port }, index): Dial => {
          const wanted = mayDial(from, to, port) ? "connected" : "no answer";
          return { from, to, port, wanted, outcome: outcomes[index] ?? "" };
        });
      }),
    );
    return all.flat();
  }

  async function startSentry(place: Place): Promise<Server> {
    const name = `sentry-${place}`;
    const [command, ...enter] = world.network.enter(place);
    const script = `require("node:net").createServer((one) => one.end()).listen(${sentry}, "0.0.0.0", () => console.log("listening"))`;
    const folder = world.material.folder;
    return startServer({
      ...{ name, command, args: [...enter, process.execPath, "-e", script], folder, temporary: false },
      ready: logged(`${folder}/${name}.log`, "listening"),
    });
  }
});
