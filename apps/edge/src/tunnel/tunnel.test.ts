import { generateKeyPairSync } from "node:crypto";
import { Writable } from "node:stream";
import { decodeRoadMessage } from "@sallyport/contracts";
import { createLog } from "@sallyport/runtime";
import { generateRecipientKey, respond, seenHellos } from "@sallyport/seal";
import { until } from "@sallyport/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Tunnel } from "./tunnel.ts";

const edgeKeys = generateKeyPairSync("ed25519");
const connectorKeys = await generateRecipientKey();
const log = createLog({
  zone: "edge",
  level: "silent",
  to: new Writable({ write: (_chunk, _encoding, done) => done() }),
});

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  pass(10_000);
});
afterEach(() => {
  vi.useRealTimers();
});
const pass = (ms: number) => vi.advanceTimersByTime(ms);

/** An edge's end of a tunnel, and a connector that answers when it is told to. */
function world() {
  const hellos: Uint8Array[] = [];
  const enrolment = {
    zone: "connector" as const,
    connector: "c1",
    publicKey: connectorKeys.publicKey,
    servers: ["orders"],
  };
  const tunnel = new Tunnel(enrolment, {
    road: {
      send: (_to, bytes) => {
        const message = decodeRoadMessage(Buffer.from(bytes as Uint8Array));
        if (message?.kind === "hello") hellos.push(message.bytes);
        return true;
      },
      atTurnEnd: () => {},
    },
    signer: { edge: "e1", tenant: "acme", key: edgeKeys.privateKey, now: () => new Date() },
    log,
  });
  const greeted = (times: number) =>
    until(`greeting ${times}`, () => hellos.length >= times, { within: 5_000 });
  const seen = seenHellos();
  /** Answers a greeting as its connector does. Returns the session's id. */
  const answer = async (hello: Uint8Array | undefined) => {
    const { reply, session } = await respond(hello ?? Buffer.alloc(0), {
      ...{ privateKey: connectorKeys.privateKey, connector: "c1", edgeKey: () => edgeKeys.publicKey },
      ...{ seen, now: new Date() },
    });
    await tunnel.welcome(reply);
    return session.id;
  };
  const opened = async () => {
    tunnel.heard("boot-1");
    await greeted(1);
    const session = await answer(hellos[0]);
    expect(tunnel.open).toBeDefined();
    pass(1_000);
    return session;
  };
  return { tunnel, hellos, greeted, answer, opened };
}

describe("a tunnel", () => {
  it("is opened anew at once when its connector knows the session no more", async () => {
    const { tunnel, hellos, greeted, answer, opened } = world();
    tunnel.reset(await opened());
    expect(tunnel.open).toBeUndefined();
    await greeted(2);
    await answer(hellos[1]);
    expect(tunnel.open).toBeDefined();
    tunnel.end("over");
  });

  it("is opened anew at once when a message of it was lost", async () => {
    const { tunnel, hellos, greeted, answer, opened } = world();
    tunnel.record(await opened(), Buffer.from("not what was sealed"));
    expect(tunnel.open).toBeUndefined();
    await greeted(2);
    await answer(hellos[1]);
    expect(tunnel.open).toBeDefined();
    tunnel.end("over");
  });

  it("is not opened to who has said that it stops, until it is heard again", async () => {
    const { tunnel, hellos, greeted, answer, opened } = world();
    await opened();
    tunnel.end("the connector is shutting down");
    pass(1_000);
    tunnel.heard("boot-2");
    await greeted(2);
    await answer(hellos[1]);
    expect(tunnel.open).toBeDefined();
    expect(hellos).toHaveLength(2);
    tunnel.end("over");
  });
});

describe("a greeting", () => {
  /** The connector says once a second that it is there. In these seconds it is greeted, and in no other. */
  const greetedIn = async ({ tunnel, hellos, greeted }: ReturnType<typeof world>, seconds: number[]) => {
    const before = hellos.length;
    for (let second = 0; second <= (seconds.at(-1) ?? 0); second += 1) {
      tunnel.heard("boot-1");
      const wanted = before + seconds.filter((one) => one <= second).length;
      await greeted(wanted);
      expect(hellos).toHaveLength(wanted);
      pass(1_000);
    }
  };

  it("that stays unanswered is followed by others, up to four seconds apart", async () => {
    const one = world();
    await greetedIn(one, [0, 1, 2, 4, 8, 12, 16]);
    one.tunnel.end("over");
  });

  it("may be answered late, and opens the tunnel though others were sent since", async () => {
    const one = world();
    await greetedIn(one, [0, 1]);
    await one.answer(one.hellos[0]);
    expect(one.tunnel.open).toBeDefined();
    await one.answer(one.hellos[1]);
    one.tunnel.heard("boot-1");
    expect(one.tunnel.open).toBeDefined();
    one.tunnel.end("over");
  });

  it("that was followed by three others counts no more", async () => {
    const one = world();
    await greetedIn(one, [0, 1, 2, 4]);
    await one.answer(one.hellos[0]);
    expect(one.tunnel.open).toBeUndefined();
    await one.answer(one.hellos[1]);
    expect(one.tunnel.open).toBeDefined();
    one.tunnel.end("over");
  });

  it("counts no more when its connector has been restarted", async () => {
    const one = world();
    one.tunnel.heard("boot-1");
    await one.greeted(1);
    pass(1_000);
    one.tunnel.heard("boot-2");
    await one.greeted(2);
    await one.answer(one.hellos[0]);
    expect(one.tunnel.open).toBeUndefined();
    await one.answer(one.hellos[1]);
    expect(one.tunnel.open).toBeDefined();
    one.tunnel.end("over");
  });

  it("is sent twice a second at most, however often a session is said to be unknown", async () => {
    const one = world();
    for (let round = 1; round <= 4; round += 1) {
      one.tunnel.heard("boot-1");
      await one.greeted(round);
      one.tunnel.reset(await one.answer(one.hellos[round - 1]));
      one.tunnel.heard("boot-1");
      expect(one.tunnel.open).toBeUndefined();
      pass(450);
    }
    expect(one.hellos).toHaveLength(4);
    one.tunnel.end("over");
  });
});
