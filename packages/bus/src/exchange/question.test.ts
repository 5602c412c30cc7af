import { ServiceError } from "@sallyport/contracts";
import { afterEach, describe, expect, it } from "vitest";
import { FrameType, frame } from "./frames.ts";
import type { Incoming } from "./incoming.ts";
import { linkPair, type Pair, type PairOptions, rawPeer, settle } from "./link.fixture.ts";
import type { ReplyHandlers } from "./outgoing.ts";

const open: Pair[] = [];
afterEach(() => {
  for (const pair of open.splice(0)) pair.close();
});
function pair(options: PairOptions = {}): Pair {
  const made = linkPair(options);
  open.push(made);
  return made;
}

/** A call whose server may ask. */
function asking(link: Pair["caller"], ask: ReplyHandlers["ask"], deadlineMs = 10_000) {
  const chunks: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<ServiceError | string>();
  const exchange = link.open(
    { head: {}, body: Buffer.alloc(0), deadlineMs },
    {
      head: () => undefined,
      data: (chunk) => void chunks.push(Buffer.from(chunk)),
      end: () => resolve(Buffer.concat(chunks).toString()),
      fail: resolve,
      ...(ask ? { ask } : {}),
    },
  );
  return { exchange, over: promise };
}

const passOn = (question: Uint8Array) => (exchange: Incoming) => {
  exchange.ask(question).then(
    (answer) => {
      exchange.reply({});
      exchange.write(answer);
      exchange.end();
    },
    (error: unknown) => exchange.fail(error as ServiceError),
  );
};

describe("a question in the course of an exchange", () => {
  it("is answered by the caller, however many chunks both take, and the reply goes on", async () => {
    const question = Buffer.alloc(200_000, "q");
    const { caller } = pair({ serve: passOn(question) });
    const seen: number[] = [];
    const { over } = asking(caller, (asked, answer) => {
      seen.push(asked.length);
      answer(Buffer.alloc(150_000, "a"));
    });
    expect(String(await over).length).toBe(150_000);
    expect(seen).toEqual([200_000]);
  });

  it("may be empty, and may have an empty answer", async () => {
    const { caller } = pair({ serve: passOn(Buffer.alloc(0)) });
    const { over } = asking(caller, (asked, answer) => answer(Buffer.from(`${asked.length}`)));
    expect(await over).toBe("0");
  });

  it("stops the clock of the server while it waits", async () => {
    const ask = passOn(Buffer.from("?"));
    let served = 0;
    const serve = (exchange: Incoming) => (served++ === 0 ? ask(exchange) : undefined);
    const { caller } = pair({ serve, limits: { heartbeatMs: 20 } });
    let late: (bytes: Uint8Array) => void = () => undefined;
    const { over } = asking(caller, (_asked, answer) => (late = answer), 50);
    let waits = true;
    void over.then(() => {
      waits = false;
    });
    // One that asks nothing and is not answered, with more time, is over before it.
    const silent = asking(caller, undefined, 150);
    expect(await silent.over).toMatchObject({ code: "timeout" });
    expect(waits).toBe(true);
    late(Buffer.from("late"));
    expect(await over).toBe("late");
  });

  it("is over with the exchange: a cancelled caller answers nothing any more", async () => {
    const failed: unknown[] = [];
    const { caller, server } = pair({
      serve: (exchange) => void exchange.ask(Buffer.from("?")).catch((error: unknown) => failed.push(error)),
    });
    let answer: (bytes: Uint8Array) => void = () => undefined;
    const { exchange } = asking(caller, (_asked, give) => (answer = give));
    await settle();
    exchange.cancel();
    answer(Buffer.from("nobody"));
    await settle();
    expect(failed).toMatchObject([{ code: "unavailable" }]);
    expect([server.size, caller.error, server.error]).toEqual([0, undefined, undefined]);
  });

  it("is refused where one waits already, or is too large", async () => {
    const { caller, requests } = pair({ limits: { maxRequestBytes: 10 } });
    asking(caller, () => undefined);
    await settle();
    await expect(requests[0]?.ask(Buffer.alloc(11))).rejects.toMatchObject({ code: "invalid" });
    void requests[0]?.ask(Buffer.from("one")).catch(() => undefined);
    await expect(requests[0]?.ask(Buffer.from("two"))).rejects.toMatchObject({ code: "conflict" });
  });

  it("with an answer that is too large ends the exchange, not the link", async () => {
    const { caller, server } = pair({ serve: passOn(Buffer.from("?")), limits: { maxRequestBytes: 10 } });
    const { over } = asking(caller, (_asked, answer) => answer(Buffer.alloc(11)));
    expect(await over).toMatchObject({ code: "exhausted" });
    expect([caller.error, server.error]).toEqual([undefined, undefined]);
  });

  it("ends the link where nobody can answer it, and an answer that nobody asked for does", async () => {
    const { caller, server } = pair({ serve: passOn(Buffer.from("?")) });
    const { over } = asking(caller, undefined);
    expect(await over).toBeInstanceOf(ServiceError);
    expect(caller.error?.detail).toContain("a question where none may be");
    server.close(new ServiceError("unavailable", "over"));

    const peer = rawPeer({ opened: () => undefined });
    peer.say(frame(FrameType.open, 1, Buffer.from("{}"), true));
    peer.say(frame(FrameType.answer, 1, Buffer.from("x"), true));
    expect(peer.deaths.map(({ detail }) => detail)).toEqual(["an answer that nobody asked for"]);
  });

  it("that never ends is bounded", async () => {
    const peer = rawPeer({ limits: { maxRequestBytes: 10 } });
    asking(peer.link, () => undefined);
    peer.say(frame(FrameType.ask, 1, Buffer.alloc(8)));
    expect(peer.deaths).toEqual([]);
    peer.say(frame(FrameType.ask, 1, Buffer.alloc(8)));
    expect(peer.deaths.map(({ detail }) => detail)).toEqual(["a question that is too large"]);
  });
});
