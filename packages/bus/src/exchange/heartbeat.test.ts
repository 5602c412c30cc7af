import { describe, expect, it } from "vitest";
import { call, linkPair, rawPeer } from "./link.fixture.ts";

const limits = { heartbeatMs: 80, deadAfterMs: 240 };
/** Half of heartbeatMs is how often the clock is looked at; the rest is what a loaded machine may need. */
const beatMs = 40;
const graceMs = 1_000;

describe("the heartbeat of a link", () => {
  it("notices a peer that fell silent within its time and one beat", async () => {
    let silentSince = Number.POSITIVE_INFINITY;
    const { caller, deaths, close } = linkPair({
      limits,
      road: (direction, record, deliver) => {
        if (direction === "up" || silentSince === Number.POSITIVE_INFINITY) deliver(record);
      },
    });
    const { told } = call(caller, { deadlineMs: 60_000 });
    silentSince = performance.now();
    await told.over;
    const noticedAfter = performance.now() - silentSince;
    expect(noticedAfter).toBeGreaterThan(limits.deadAfterMs - beatMs);
    expect(noticedAfter).toBeLessThan(limits.deadAfterMs + beatMs + graceMs);
    expect(told.error).toMatchObject({ code: "unavailable", retryable: true });
    expect(deaths.caller).toHaveLength(1);
    close();
  });

  it("keeps an idle link alive on both sides for many times that long", async () => {
    const { caller, server, close } = linkPair({ limits });
    const idle = call(rawPeer({ limits: { ...limits, deadAfterMs: 800 } }).link, { deadlineMs: 60_000 });
    await idle.told.over; // 800 ms later, on the clock of a link that nobody answers
    expect([caller.error, server.error]).toEqual([undefined, undefined]);
    close();
  });

  it("does not take the time in which this process was busy for silence of the peer's", async () => {
    const { caller, server, close } = linkPair({ limits });
    const blockedUntil = performance.now() + 3 * limits.deadAfterMs;
    while (performance.now() < blockedUntil);
    const { told } = call(caller, { deadlineMs: 60_000 });
    await new Promise((resolve) => setTimeout(resolve, limits.deadAfterMs)); // as long as silence would take to kill
    expect([caller.error, server.error, told.error]).toEqual([undefined, undefined, undefined]);
    close();
  });

  it("is not needed while anything else is said", async () => {
    let pings = 0;
    const peer = rawPeer({
      limits: { heartbeatMs: 40, deadAfterMs: 400 },
      send: () => {
        pings += 1;
        return true;
      },
    });
    const { told } = call(peer.link, { deadlineMs: 60_000 });
    await told.over;
    // One for the call, then one in 20 ms at most: the link does not chatter.
    expect(pings).toBeLessThanOrEqual(2 + 420 / 20);
    expect(pings).toBeGreaterThan(3);
  });
});
