import { ServiceError } from "@sallyport/contracts";
import { describe, expect, it } from "vitest";
import { FrameType, frame } from "./frames.ts";
import type { Incoming } from "./incoming.ts";
import { defaultLimits } from "./limits.ts";
import { call, linkPair, rawPeer, settle } from "./link.fixture.ts";

const { windowBytes } = defaultLimits;
const MiB = 1024 * 1024;

/** Opens one exchange and hands back both of its ends. */
async function exchange() {
  const pair = linkPair();
  let sent = 0;
  let taken = 0;
  const told: string[] = [];
  const held = { max: 0 };
  const outgoing = pair.caller.open(
    { head: {}, body: Buffer.alloc(0), deadlineMs: 10_000 },
    {
      head: () => told.push("head"),
      data: (chunk) => {
        sent += chunk.length;
        held.max = Math.max(held.max, sent - taken);
      },
      end: () => told.push("end"),
      fail: (error) => told.push(error.code),
    },
  );
  await settle();
  const incoming = pair.requests[0] as Incoming;
  incoming.reply({ status: 200 });
  const take = (bytes: number) => {
    taken += bytes;
    outgoing.consumed(bytes);
  };
  return { ...pair, incoming, outgoing, told, held, take, arrived: () => sent, waiting: () => sent - taken };
}

describe("credit of an exchange", () => {
  it("lets 64 MiB through while a slow reader never holds more than the window", async () => {
    const { incoming, told, held, take, arrived, waiting, close } = await exchange();
    let left = 64 * MiB;
    let unaccepted = 0;
    const pump = () => {
      while (left > 0) {
        const chunk = Math.min(left, 100_000);
        left -= chunk;
        if (!incoming.write(Buffer.alloc(chunk))) {
          unaccepted = Math.max(unaccepted, 64 * MiB - left - arrived());
          return;
        }
      }
      incoming.end();
    };
    incoming.on({ cancel: () => undefined, drain: pump });
    pump();
    while (!told.includes("end")) {
      await settle(1);
      take(Math.min(waiting(), 150_000));
    }
    expect(arrived()).toBe(64 * MiB);
    expect(held.max).toBeLessThanOrEqual(windowBytes);
    // And at the server only what one write was too much, beside what is on its way.
    expect(unaccepted).toBeLessThanOrEqual(windowBytes + 100_000);
    close();
  });

  it("stops a writer that does not stop by itself at the window", async () => {
    const { incoming, held, take, arrived, close } = await exchange();
    let accepted = 0;
    for (let at = 0; at < 32; at += 1) if (incoming.write(Buffer.alloc(64 * 1024))) accepted += 1;
    await settle();
    expect(arrived()).toBe(windowBytes);
    expect(accepted).toBe(7); // the eighth fills the window: stop reading
    take(windowBytes);
    await settle();
    expect(arrived()).toBe(2 * windowBytes);
    expect(held.max).toBe(windowBytes);
    close();
  });

  it("tells the writer to go on once there is room, and not before", async () => {
    const { incoming, take, close } = await exchange();
    let drains = 0;
    incoming.on({ cancel: () => undefined, drain: () => (drains += 1) });
    expect(incoming.write(Buffer.alloc(windowBytes - 1))).toBe(true);
    expect(incoming.write(Buffer.alloc(2))).toBe(false);
    await settle();
    expect(drains).toBe(0);
    take(windowBytes / 4 - 1); // less than a quarter is not given back
    await settle();
    expect(drains).toBe(0);
    take(1);
    await settle();
    expect(drains).toBe(1);
    close();
  });

  it("of one slow reader does not slow another exchange", async () => {
    const slow = await exchange();
    slow.incoming.write(Buffer.alloc(4 * MiB));
    const { told } = call(slow.caller);
    await settle();
    const quick = slow.requests[1] as Incoming;
    quick.reply({});
    quick.write(Buffer.from("quick"));
    quick.end();
    await told.over;
    expect(told.body.toString()).toBe("quick");
    slow.close();
  });

  it("is owed for what waits at the end: END comes behind the last byte, whoever says it first", async () => {
    const { incoming, told, take, arrived, waiting, close } = await exchange();
    incoming.write(Buffer.alloc(3 * windowBytes, 1));
    incoming.end();
    while (!told.includes("end")) {
      await settle();
      take(waiting());
    }
    expect(arrived()).toBe(3 * windowBytes);
    close();
  });

  it("frees what waits when the caller goes", async () => {
    const { incoming, outgoing, arrived, take, close } = await exchange();
    incoming.write(Buffer.alloc(2 * windowBytes));
    await settle();
    outgoing.cancel();
    await settle();
    expect(incoming.over).toBe(true);
    expect(incoming.write(Buffer.alloc(10))).toBe(true); // into nothing: nobody is to be stopped any more
    take(windowBytes);
    await settle();
    expect(arrived()).toBe(windowBytes);
    close();
  });

  it("that a peer overruns ends the link, and the byte too many reaches nobody", async () => {
    const peer = rawPeer({ limits: { windowBytes: 1000 } });
    const { told } = call(peer.link, { consume: false });
    const data = (bytes: number) => frame(FrameType.data, 1, Buffer.alloc(bytes));
    peer.say(frame(FrameType.head, 1, Buffer.from("{}")), data(600), data(400));
    expect(told.body.length).toBe(1000);
    peer.say(data(1));
    await told.over;
    expect(told.body.length).toBe(1000);
    expect(told.error?.code).toBe("unavailable");
    expect(peer.deaths[0]?.detail).toMatch(/more data than credit/);
  });

  it("that a peer gives without bound does not widen the window", async () => {
    const served: Incoming[] = [];
    const peer = rawPeer({ opened: (one) => served.push(one), limits: { windowBytes: 1000 } });
    const credit = Buffer.alloc(4, 0xff);
    peer.say(frame(FrameType.open, 1, Buffer.from("{}"), true), frame(FrameType.credit, 1, credit));
    served[0]?.write(Buffer.alloc(5000));
    peer.link.flush();
    expect(peer.heard.reduce((sum, bytes) => sum + bytes.length, 0)).toBe(1000 + 10);
    peer.link.close(new ServiceError("unavailable", "over"));
  });
});
