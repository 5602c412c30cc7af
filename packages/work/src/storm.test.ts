import { setTimeout as delay } from "node:timers/promises";
import type { WorkItem } from "@sallyport/contracts";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, expect, test } from "vitest";
import { startWorkWorld } from "./work.fixture.ts";

afterAll(leakCheck);

const sessions = 2_000;
const runnerNames = ["r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8"];

/** What happened to a session, in order; nothing is ever taken out. */
type Line = { what: "start" | "end" | "stopped" | "lost"; by: string };

test("2,000 sessions, 8 runners, kills and restarts of NATS: one owner at a time, none lost, none run twice", {
  timeout: 120_000,
}, async () => {
  const world = await startWorkWorld({
    timing: { claimMs: 1_500, leaseMs: 3_000, graceMs: 1_000, maxAttempts: 50 },
    ackWaitMs: 2_000,
  });
  try {
    const log = new Map<string, Line[]>();
    const items = new Map<string, Set<string>>();
    const note = (item: WorkItem, what: Line["what"], by: string) => {
      const { id } = item.data;
      log.set(id, [...(log.get(id) ?? []), { what, by }]);
      items.set(id, (items.get(id) ?? new Set()).add(item.id));
    };
    let lives = 0;
    const startRunner = (name: string) => {
      lives += 1;
      const by = `${name}#${lives}`;
      return world.runner(name, {
        slots: 8,
        run: async (item, signal) => {
          note(item, "start", by);
          await delay(20 + Math.random() * 150, undefined, { signal }).catch(() => undefined);
          note(item, "end", by);
        },
        ended: (item, how) => note(item, how, by),
      });
    };
    const edges = [await world.edge("e1"), await world.edge("e2")];
    const runners = new Map<string, Awaited<ReturnType<typeof startRunner>>>();
    for (const name of runnerNames) runners.set(name, await startRunner(name));
    const dead: Awaited<ReturnType<typeof startRunner>>[] = [];

    let finished = false;
    let kills = 0;
    let restarts = 0;
    const storm = (async () => {
      for (let round = 1; !finished; round += 1) {
        await delay(300);
        const name = runnerNames[Math.floor(Math.random() * runnerNames.length)] as string;
        const victim = runners.get(name);
        if (victim !== undefined) {
          await victim.kill();
          dead.push(victim);
          kills += 1;
          runners.set(name, await startRunner(name));
        }
        if (round % 8 === 4 && !finished) {
          restarts += 1;
          await world.nats.kill();
          await world.nats.restart();
        }
      }
    })();

    const failures: unknown[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: 96 }, async (_, lane) => {
        const edge = edges[lane % edges.length];
        while (edge !== undefined && next < sessions) {
          next += 1;
          const data = { type: "session" as const, id: `s${next}` };
          // A start that failed is asked for again, as an agent would.
          for (let tries = 0; ; tries += 1) {
            try {
              await edge.enqueue(30_000, { data });
              break;
            } catch (error) {
              if (tries >= 20) {
                failures.push(error);
                break;
              }
              await delay(200);
            }
          }
        }
      }),
    );
    finished = true;
    await storm;
    // What the last killed runners held is run by others.
    const deadline = Date.now() + 30_000;
    const open = new Set([...items.values()].flatMap((ids) => [...ids]));
    while (open.size > 0 && Date.now() < deadline) {
      for (const id of open) {
        if ((await edges[0]?.store.read(id))?.state === "stopped") open.delete(id);
      }
      await delay(100);
    }
    await Promise.all([...runners.values(), ...dead].map((runner) => runner.close()));

    expect(failures).toEqual([]);
    expect([...open], "items that never ended").toEqual([]);
    expect(log.size, "sessions that never started").toBe(sessions);
    const wrong = [...log].filter(([id, lines]) => {
      const runs = lines.filter(({ what }) => what === "start" || what === "end");
      const alternating = runs.every(
        (line, index) =>
          line.what === (index % 2 === 0 ? "start" : "end") &&
          (index % 2 === 0 || line.by === runs[index - 1]?.by),
      );
      const done = lines.findIndex(({ what }) => what === "stopped");
      const after = done === -1 ? [] : lines.slice(done + 1).filter(({ what }) => what !== "lost");
      const again = runs.length / 2 - 1 > lines.filter(({ what }) => what === "lost").length;
      return !alternating || after.length > 0 || again || items.get(id)?.size !== 1;
    });
    expect(wrong).toEqual([]);
    expect(kills).toBeGreaterThan(5);
    expect(restarts).toBeGreaterThan(0);
    const lost = [...log.values()].flat().filter(({ what }) => what === "lost").length;
    expect(lost, "a storm in which no runner loses a session tests nothing").toBeGreaterThan(0);
  } finally {
    await world.stop();
  }
});
