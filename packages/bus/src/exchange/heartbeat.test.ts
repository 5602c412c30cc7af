import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { call, linkPair, rawPeer, settle } from "./link.fixture.ts";

const limits = { heartbeatMs: 80, deadAfterMs: 240 };
/** Half of heartbeatMs is how often the clock is looked at. */
const beatMs = 40;

/** The clock is moved by the test: a link sees no other time, and what is sent in a turn still travels in that turn. */
let now = 0;
beforeEach(() => {
  now = 0;
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  vi.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** Time passes, and the process has nothing to do but to see it pass. */
async function passes(milliseconds: number): Promise<void> {
  for (const end = now + milliseconds; now < end; ) {
    now += 1;
    vi.advanceTimersByTime(1);
    await settle(2);
  }
}

/** Time passes while the process does something else: its timers are late, and fire once. */
async function passesUnseen(milliseconds: number): Promise<void> {
  now += milliseconds;
  vi.advanceTimersByTime(beatMs);
  await settle();
}

describe("the heartbeat of a link", () => {
  it("notices a peer that fell silent within its time and one beat", async () => {
    let silent = false;
    const { caller, deaths, close } = linkPair({
      limits,
      road: (direction, record, deliver) => {
        if (direction === "up" || !silent) deliver(record);
      },
    });
    const { told } = call(caller, { deadlineMs: 60_000 });
    silent = true;
    await passes(limits.deadAfterMs);
    expect(told.error).toBeUndefined();
    await passes(beatMs);
    expect(told.error).toMatchObject({ code: "unavailable", retryable: true });
    expect(deaths.caller).toHaveLength(1);
    close();
  });

  it("keeps an idle link alive on both sides for many times that long", async () => {
    const { caller, server, close } = linkPair({ limits });
    await passes(10 * limits.deadAfterMs);
    expect([caller.error, server.error]).toEqual([undefined, undefined]);
    close();
  });

  it("does not take the time in which this process was busy for silence of the peer's", async () => {
    const { caller, server, close } = linkPair({ limits });
    await passes(beatMs);
    await passesUnseen(3 * limits.deadAfterMs);
    const { told } = call(caller, { deadlineMs: 60_000 });
    await passes(2 * limits.deadAfterMs);
    expect([caller.error, server.error, told.error]).toEqual([undefined, undefined, undefined]);
    close();
  });

  it("takes silence that goes on after that for what it is", async () => {
    const { link } = rawPeer({ limits });
    await passesUnseen(3 * limits.deadAfterMs);
    expect(link.error).toBeUndefined();
    await passes(limits.deadAfterMs + beatMs);
    expect(link.error).toMatchObject({ code: "unavailable" });
  });

  it("is not needed while anything else is said", async () => {
    let records = 0;
    const peer = rawPeer({
      limits: { heartbeatMs: 40, deadAfterMs: 400 },
      send: () => {
        records += 1;
        return true;
      },
    });
    const calls = 10;
    for (let at = 0; at < calls; at += 1) {
      call(peer.link, { deadlineMs: 60_000 });
      await passes(15);
    }
    expect(records).toBe(calls);
    await passes(200);
    // And then one in 20 ms: the link does not chatter.
    expect(records).toBe(calls + 200 / 20);
  });
});
