import { WorkItem } from "@sallyport/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { claim, release } from "./claim.ts";
import { capabilities, queuedItem, quick } from "./decide.fixture.ts";
import { type Decision, isLive } from "./decision.ts";
import { ack, finish, heartbeat } from "./hold.ts";
import { holderOf, requestStop } from "./stop.ts";

interface Model {
  now: number;
  beats: number;
}
interface Real {
  item: WorkItem;
  /** Who was told that it finished the item. */
  finished: string[];
}
type Act = "claim" | "ack" | "heartbeat" | "stale heartbeat" | "finish" | "release";

/** What one runner does, whatever the state is; what must hold of it follows from the state before alone. */
class RunnerActs implements fc.Command<Model, Real> {
  readonly runner: string;
  readonly act: Act;
  constructor(runner: string, act: Act) {
    this.runner = runner;
    this.act = act;
  }
  check = () => true;
  toString = () => `${this.runner} ${this.act}`;
  run(model: Model, real: Real): void {
    const before = real.item;
    const holder = { runner: this.runner, lease: `lease-${this.runner}` };
    const at = { now: model.now, timing: quick };
    const live = isLive(before, model.now);
    const holds = live && before.lease?.runner === this.runner;
    const decision = this.#decide(before, holder, at, model);
    const { next } = decision;
    if (next !== undefined) {
      expect(before.state, "a stopped item changes no more").not.toBe("stopped");
      if (live) expect(holds, "only the holder changes what is held").toBe(true);
      if (next.attempts > before.attempts) expect(live, "claimed while another had it").toBe(false);
      expect(next.attempts).toBeLessThanOrEqual(quick.maxAttempts);
      expect(WorkItem.safeParse(next).success).toBe(true);
      real.item = next;
    }
    if (this.act === "finish" && decision.outcome === "gone" && next !== undefined) {
      expect(holds).toBe(true);
      real.finished.push(this.runner);
    }
    if (decision.outcome === "held") expect(real.item.lease?.runner).toBe(this.runner);
    expect(real.finished.length).toBeLessThanOrEqual(1);
  }
  #decide(
    item: WorkItem,
    holder: { runner: string; lease: string },
    at: { now: number; timing: typeof quick },
    model: Model,
  ): Decision {
    switch (this.act) {
      case "claim":
        return claim(item, { ...holder, pool: "default", capabilities }, at);
      case "ack":
        return ack(item, holder, at);
      case "heartbeat":
        model.beats += 1;
        return heartbeat(item, { ...holder, expected: item.lease?.beat ?? "", beat: `${model.beats}` }, at);
      case "stale heartbeat":
        return heartbeat(item, { ...holder, expected: item.lease?.previous?.beat ?? "never", beat: "x" }, at);
      case "finish":
        return finish(item, holder, at);
      case "release":
        return release(item, holder, at);
    }
  }
}

class TimePasses implements fc.Command<Model, Real> {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = () => true;
  toString = () => `${this.ms} ms pass`;
  run(model: Model): void {
    model.now += this.ms;
  }
}

class StopIsWanted implements fc.Command<Model, Real> {
  check = () => true;
  toString = () => "a stop is wanted";
  run({ now }: Model, real: Real): void {
    const held = holderOf(real.item, now);
    const { next } = requestStop(real.item, { now, timing: quick });
    if (next === undefined) return;
    expect(next.state).toBe(held === undefined ? "stopped" : "stopping");
    real.item = next;
  }
}

test("whatever runners do and whenever, an item has one holder at a time and is finished once", () => {
  const runner = fc.constantFrom("a", "b", "c");
  const act = fc.constantFrom<Act>("claim", "ack", "heartbeat", "stale heartbeat", "finish", "release");
  const commands = fc.commands(
    [
      fc.tuple(runner, act).map(([who, what]) => new RunnerActs(who, what)),
      fc.tuple(runner, act).map(([who, what]) => new RunnerActs(who, what)),
      fc.integer({ min: 1, max: 1_500 }).map((ms) => new TimePasses(ms)),
      fc.constant(new StopIsWanted()),
    ],
    { maxCommands: 60 },
  );
  fc.assert(
    fc.property(commands, (sequence) => {
      fc.modelRun(
        () => ({ model: { now: 0, beats: 0 }, real: { item: queuedItem(), finished: [] as string[] } }),
        sequence,
      );
    }),
    { numRuns: 300 },
  );
});
