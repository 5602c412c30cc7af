import { generateKeyPairSync } from "node:crypto";
import { encodeRoadMessage } from "@sallyport/contracts";
import { generateRecipientKey, initiate, respond, seenHellos } from "@sallyport/seal";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { callThrough, type Running, startWorld, type World } from "./relay-world.fixture.ts";
import type { Interfere, OnTheRoad } from "./road-proxy.fixture.ts";

// Somebody runs the relay, or has got into it. NATS keeps them from nothing here: no accounts, no permissions, and
// every message of connector c1 passes through their hands. What is left is the seal.
afterAll(leakCheck);
let world: World;
beforeAll(async () => {
  world = await startWorld();
});
beforeEach(() => {
  world.connectors.c1.proxy.interfere(undefined);
});
afterAll(() => world?.close());

type Caller = Awaited<ReturnType<World["caller"]>>;
type Instead = ReturnType<Interfere>;

const kinds = { hello: 1, welcome: 2, record: 3, reset: 4 } as const;
const isA = (kind: keyof typeof kinds, { payload }: OnTheRoad) => payload[0] === kinds[kind];
const sessionOf = ({ payload }: OnTheRoad) => Buffer.from(payload.subarray(1, 17)).toString("base64url");
const passed = () => world.connectors.c1.proxy.passed;

/** The last record of the session that edge e1 has with connector c1 now: an edge speaks on its live session only. */
function lastOfE1(): OnTheRoad {
  return passed().findLast((one) => one.subject === "tunnel.v1.up.c1.e1" && isA("record", one)) as OnTheRoad;
}

/** Passes everything but the next records of e1's session, which become what `instead` makes of them. */
function attack(
  direction: OnTheRoad["direction"],
  count: number,
  instead: (records: OnTheRoad[]) => Instead,
) {
  const session = sessionOf(lastOfE1());
  const caught: OnTheRoad[] = [];
  world.connectors.c1.proxy.interfere((message) => {
    const mine = message.direction === direction && isA("record", message) && sessionOf(message) === session;
    if (!mine || caught.length === count) return [message];
    caught.push(message);
    return caught.length === count ? instead(caught) : [];
  });
}

/** A stream of 400 events, of which two have come. */
async function startStream(edge: "e1" | "e2" = "e1"): Promise<Running> {
  const tunnel = await world.edges[edge].tunnelTo("c1");
  const running = await callThrough(tunnel, await world.caller("agent"), {
    tool: "stream",
    arguments: { events: 400, intervalMs: 20 },
  });
  await until("two events", () => eventsOf(running.so.body) >= 2 || undefined, { within: 8_000 });
  return running;
}

/** How many whole events a body has. Fails unless it is exactly the beginning of what the upstream sends. */
function eventsOf(body: string): number {
  const events = Array.from({ length: 400 }, (_, at) => {
    const params = { progressToken: 1, progress: at + 1, total: 400 };
    return `event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", method: "notifications/progress", params })}\n\n`;
  });
  expect(events.join("").startsWith(body)).toBe(true);
  return body.split("\n\n").length - 1;
}

async function plain(caller: Caller, text: string): Promise<Running> {
  const tunnel = await world.edges.e1.tunnelTo("c1");
  return callThrough(tunnel, caller, { tool: "plain", arguments: { text } });
}

/** The relay lets go: the next call goes through, over a new session. */
async function recovers(): Promise<void> {
  world.connectors.c1.proxy.interfere(undefined);
  const { over } = await plain(await world.caller("agent"), "after");
  expect(await over).toMatchObject({ status: 200, ended: true });
}

describe("somebody who reads everything at the relay", () => {
  it("sees nothing of a call: not its request, its answer, its agent, its token or its grant", async () => {
    const caller = await world.caller("secret-agent-name");
    const { over } = await plain(caller, "the-answer-and-the-request");
    const { body } = await over;
    expect(body).toContain("the-answer-and-the-request");
    const grants = world.edges.e1.secrets.join("\n");
    expect(grants).toContain(caller.token);
    const secrets = ["the-answer-and-the-request", "secret-agent-name", "tools/call", "jsonrpc", "reflector"];
    secrets.push(
      ...caller.token.split("."),
      ...[...grants.matchAll(/"grant":"([^"]+)"/g)].flatMap(([, jwt = ""]) => jwt.split(".")),
    );
    secrets.push(caller.facts.hash, "authorization", "mcp-protocol-version");
    const everything = passed().map(({ payload }) => payload.toString("latin1"));
    expect(everything.length).toBeGreaterThan(3);
    for (const secret of secrets)
      expect(everything.filter((payload) => payload.includes(secret))).toEqual([]);
  });
});

const flip = (payload: Buffer, at: number) => {
  const changed = Buffer.from(payload);
  const index = at < 0 ? changed.length + at : at;
  changed[index] = (changed[index] ?? 0) ^ 1;
  return { payload: changed };
};

const interferences: [string, number, (records: OnTheRoad[]) => Instead][] = [
  ["changes one bit of", 1, ([one]) => [flip((one as OnTheRoad).payload, 40)]],
  ["changes the tag of", 1, ([one]) => [flip((one as OnTheRoad).payload, -1)]],
  ["changes the sequence number of", 1, ([one]) => [flip((one as OnTheRoad).payload, 28)]],
  ["cuts", 1, ([one]) => [{ payload: (one as OnTheRoad).payload.subarray(0, -1) }]],
  ["empties", 1, ([one]) => [{ payload: (one as OnTheRoad).payload.subarray(0, 17) }]],
  ["repeats", 1, ([one]) => [one as OnTheRoad, one as OnTheRoad]],
  ["drops", 1, () => []],
  ["swaps two of", 2, ([one, two]) => [two as OnTheRoad, one as OnTheRoad]],
];

describe.each(["down", "up"] as const)("somebody who, on the way %s,", (direction) => {
  it.each(interferences)(
    "%s the records ends a running stream with an error, never with data",
    async (_what, count, instead) => {
      const { so, over } = await startStream();
      attack(direction, count, instead);
      const { ended, error } = await over;
      expect(ended).toBe(false);
      expect(error).toMatchObject({ code: "unavailable", retryable: true });
      expect(eventsOf(so.body)).toBeLessThan(400);
      await recovers();
    },
  );
});

describe("somebody who interferes with a call on its way up", () => {
  it.each(interferences)(
    "and %s its record never gives it an effect twice",
    async (_what, count, instead) => {
      const { reflector } = world.connectors.c1;
      const caller = await world.caller("agent");
      await (await plain(caller, "its grant is there now")).over;
      const before = reflector.seen().calls.plain ?? 0;
      attack("up", count, instead);
      const { ended, error, body } = await (await plain(caller, "once")).over;
      const effects = (reflector.seen().calls.plain ?? 0) - before;
      expect(effects).toBeLessThanOrEqual(1);
      if (error === undefined) expect([ended, effects, body.includes("once")]).toEqual([true, 1, true]);
      else expect([ended, error.code]).toEqual([false, "unavailable"]);
      await recovers();
    },
  );
});

describe("somebody who sends a record elsewhere", () => {
  it("to another connector, or there in the name of another edge, opens nothing and disturbs nobody", async () => {
    const stream = await startStream();
    await world.edges.e1.tunnelTo("c2");
    const other = world.connectors.c2.reflector;
    const before = other.seen().requests;
    const { payload } = lastOfE1();
    for (const subject of ["tunnel.v1.up.c2.e1", "tunnel.v1.up.c2.e2", "tunnel.v1.up.c1.e2"])
      world.stranger.nats.publish(subject, payload);
    await world.stranger.nats.flush();
    const heard = eventsOf(stream.so.body);
    await until("the stream going on", () => eventsOf(stream.so.body) > heard + 10, { within: 5_000 });
    expect(other.seen().requests).toBe(before);
    expect(stream.so.error).toBeUndefined();
    stream.cancel();
  });

  it("to another edge gives it nothing, and the one that it was for an error", async () => {
    const { so, over } = await startStream();
    attack("down", 1, ([one]) => [{ subject: "tunnel.v1.down.e2.c1", payload: (one as OnTheRoad).payload }]);
    expect((await over).error?.code).toBe("unavailable");
    eventsOf(so.body);
    await recovers();
  });

  it("into another session of the same connector ends that session, with nothing delivered", async () => {
    const [victim, source] = [await startStream("e1"), await startStream("e2")];
    const foreign = passed().findLast(
      (one) => one.subject === "tunnel.v1.down.e2.c1" && isA("record", one),
    ) as OnTheRoad;
    const forged = Buffer.concat([lastOfE1().payload.subarray(0, 17), foreign.payload.subarray(17)]);
    world.stranger.nats.publish("tunnel.v1.down.e1.c1", forged);
    const { error } = await victim.over;
    expect(error?.code).toBe("unavailable");
    eventsOf(victim.so.body);
    expect(source.so.error).toBeUndefined();
    source.cancel();
    await recovers();
  });

  it("back to who sent it ends the session there", async () => {
    const { over } = await startStream();
    const { payload } = lastOfE1();
    world.stranger.nats.publish("tunnel.v1.down.e1.c1", payload);
    expect((await over).error?.code).toBe("unavailable");
    await recovers();
  });
});

describe("somebody who forges a reset", () => {
  it("costs that session and no more: the next call goes through, and other edges' streams go on", async () => {
    const [victim, other] = [await startStream("e1"), await startStream("e2")];
    const session = sessionOf(lastOfE1());
    world.stranger.nats.publish("tunnel.v1.down.e1.c1", encodeRoadMessage({ kind: "reset", session }));
    expect((await victim.over).error).toMatchObject({ code: "unavailable", retryable: true });
    await recovers();
    expect(other.so.error).toBeUndefined();
    other.cancel();
  });

  it("for a session that is another connector's, or nobody's, or to the connector, costs nothing", async () => {
    const stream = await startStream();
    const session = sessionOf(lastOfE1());
    const reset = encodeRoadMessage({ kind: "reset", session });
    for (const subject of ["tunnel.v1.down.e1.c2", "tunnel.v1.up.c1.e1", "tunnel.v1.down.e2.c1"])
      world.stranger.nats.publish(subject, reset);
    const nobodys = encodeRoadMessage({ kind: "reset", session: Buffer.alloc(16).toString("base64url") });
    world.stranger.nats.publish("tunnel.v1.down.e1.c1", nobodys);
    await world.stranger.nats.flush();
    const heard = eventsOf(stream.so.body);
    await until("the stream going on", () => eventsOf(stream.so.body) > heard + 10, { within: 5_000 });
    stream.cancel();
  });
});

describe("somebody with a hello in hand", () => {
  const welcomes = () => passed().filter((one) => isA("welcome", one)).length;
  const refusals = (code: string) =>
    world.logged.filter((line) => line === `a hello was refused ${code}`).length;

  async function refused(code: string, publish: () => void): Promise<void> {
    const [answered, before] = [welcomes(), refusals(code)];
    publish();
    await until(`a refusal with ${code}`, () => refusals(code) > before, { within: 5_000 });
    expect(welcomes()).toBe(answered);
  }

  /** The hello of e1 that c1 has answered last. */
  const hello = async () => {
    await world.edges.e1.tunnelTo("c1");
    const answered = passed().findLastIndex(
      (one) => one.subject === "tunnel.v1.down.e1.c1" && isA("welcome", one),
    );
    const asked = passed().slice(0, answered);
    return asked.findLast((one) => one.subject === "tunnel.v1.up.c1.e1" && isA("hello", one)) as OnTheRoad;
  };

  it("that was answered before gets no second answer, and nothing that runs is disturbed", async () => {
    const { payload, subject } = await hello();
    const stream = await startStream();
    await refused("replayed", () => world.stranger.nats.publish(subject, payload));
    expect(stream.so.error).toBeUndefined();
    stream.cancel();
  });

  it("gets no answer from another connector", async () => {
    const { payload } = await hello();
    await refused("not-for-us", () => world.stranger.nats.publish("tunnel.v1.up.c2.e1", payload));
  });

  it("that was changed gets no answer", async () => {
    const { payload, subject } = await hello();
    await refused("not-for-us", () => world.stranger.nats.publish(subject, flip(payload, -1).payload));
    await refused("malformed", () => world.stranger.nats.publish(subject, payload.subarray(0, -1)));
  });

  it("that is fresh, but sent on in the name of another edge, gets no answer", async () => {
    const { over } = await startStream();
    const caught: OnTheRoad[] = [];
    await refused("denied", () => {
      world.connectors.c1.proxy.interfere((message) => {
        if (!isA("hello", message) || message.subject !== "tunnel.v1.up.c1.e1") return [message];
        caught.push(message);
        return [];
      });
      const session = sessionOf(lastOfE1());
      world.stranger.nats.publish("tunnel.v1.down.e1.c1", encodeRoadMessage({ kind: "reset", session }));
      void over.then(async () => {
        await until(
          "a fresh hello",
          () => {
            world.edges.e1.tunnels.heard("c1", {
              boot: "one",
              servers: [{ name: "reflector", ready: true }],
            });
            return caught[0];
          },
          { within: 4_000 },
        );
        world.stranger.nats.publish("tunnel.v1.up.c1.e2", (caught[0] as OnTheRoad).payload);
      });
    });
    await recovers();
  });

  it("cannot answer it in the connector's place, nor can an answer be put in its place", async () => {
    const { payload } = await hello();
    const mine = await generateRecipientKey();
    const answering = respond(payload.subarray(1), {
      privateKey: mine.privateKey,
      connector: "c1",
      edgeKey: () => undefined,
      seen: seenHellos(),
      now: new Date(),
    });
    await expect(answering).rejects.toMatchObject({ code: "not-for-us" });
    // And garbage, or an answer to an older hello, instead of the real one: no session, until the relay lets go.
    const old = passed().find(
      (one) => one.subject === "tunnel.v1.down.e1.c1" && isA("welcome", one),
    ) as OnTheRoad;
    for (const forged of [flip(old.payload, -1).payload, old.payload]) {
      const { over } = await startStream();
      const session = sessionOf(lastOfE1());
      const before = world.logged.filter((line) => line.includes("does not open")).length;
      world.connectors.c1.proxy.interfere((message) => [
        isA("welcome", message) ? { payload: forged } : message,
      ]);
      world.stranger.nats.publish("tunnel.v1.down.e1.c1", encodeRoadMessage({ kind: "reset", session }));
      await over;
      await until(
        "the edge refusing it",
        () => {
          world.edges.e1.tunnels.heard("c1", { boot: "one", servers: [{ name: "reflector", ready: true }] });
          return world.logged.filter((line) => line.includes("does not open")).length > before;
        },
        { within: 5_000 },
      );
      expect(world.edges.e1.tunnels.connected()).not.toContain("c1");
      await recovers();
    }
  });

  it("of their own making, in an edge's name without its key, gets no answer", async () => {
    const { privateKey } = generateKeyPairSync("ed25519");
    const base = {
      recipient: world.connectorKeys.c1,
      connector: "c1",
      signingKey: privateKey,
      now: new Date(),
    };
    const forged = await initiate({ ...base, edge: "e1" });
    const unknown = await initiate({ ...base, edge: "e9" });
    const send = (edge: string, bytes: Uint8Array) => () =>
      world.stranger.nats.publish(`tunnel.v1.up.c1.${edge}`, encodeRoadMessage({ kind: "hello", bytes }));
    await refused("bad-signature", send("e1", forged.hello));
    await refused("unknown-edge", send("e9", unknown.hello));
  });
});
