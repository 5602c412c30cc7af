import { once } from "node:events";
import { type Duplex, duplexPair } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { encodeFrame, FrameReader, fromAgent, toAgent } from "./frame.ts";
import { outputWindow } from "./running-exec.ts";
import { SandboxClient } from "./sandbox-client.ts";

/** A peer in the agent's place that says what the test tells it (attack 37). */
let client: SandboxClient;
let peer: Duplex;
let asked: { type: number; id: number }[];
beforeEach(() => {
  const [near, far] = duplexPair();
  client = new SandboxClient(near, { answerMs: 200 });
  peer = far;
  asked = [];
  const reader = new FrameReader();
  far.on("data", (chunk: Buffer) => asked.push(...reader.push(chunk)));
});

function say(type: number, id: number, payload: readonly number[] | Buffer = []): void {
  peer.write(encodeFrame({ type, id, payload: Buffer.from(payload) }));
}
const { pong, started, output, exit, stdinCredit, notStarted } = fromAgent;
const pid = [0, 0, 0, 9];
const ended = [0, 0, 0, 0, 0];

describe("an agent ends its sandbox", () => {
  it.each<[string, () => void]>([
    ["with an answer that nobody waits for", () => say(pong, 1)],
    ["with a type that there is not", () => say(0x42, 1)],
    ["with a type of the other direction", () => say(toAgent.exec, 1)],
    ["with a frame that is over 1 MiB", () => peer.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
    ["with a frame that is too short", () => peer.write(Buffer.from([0, 0, 0, 1]))],
  ])("%s", async (_, act) => {
    act();
    expect(await client.ended).toMatchObject({ code: "violated" });
    await expect(client.ping()).rejects.toMatchObject({ code: "violated" });
  });

  it.each<[string, (id: number) => void]>([
    ["a pong with more in it", (id) => say(pong, id, [1])],
    ["a start for a ping", (id) => say(started, id, pid)],
    ["a pong for another ping", (id) => say(pong, id + 1)],
    [
      "two pongs",
      (id) => {
        say(pong, id);
        say(pong, id);
      },
    ],
  ])("with %s", async (_, act) => {
    const ping = client.ping().catch(() => {});
    await once(peer, "data");
    act(asked[0]?.id ?? 0);
    expect(await client.ended).toMatchObject({ code: "violated" });
    await ping;
  });

  it.each<[string, (id: number) => void]>([
    ["output before it said that it started", (id) => say(output, id, [1, 65])],
    ["a pong for a start", (id) => say(pong, id)],
    ["a start of another form", (id) => say(started, id, [1])],
    ["a refusal of another form", (id) => say(notStarted, id, [1, 2, 3, 4, 5])],
    [
      "two starts",
      (id) => {
        say(started, id, pid);
        say(started, id, pid);
      },
    ],
    [
      "output of a third stream",
      (id) => {
        say(started, id, pid);
        say(output, id, [3, 65]);
      },
    ],
    [
      "empty output",
      (id) => {
        say(started, id, pid);
        say(output, id, [1]);
      },
    ],
    [
      "input credit that it was never owed",
      (id) => {
        say(started, id, pid);
        say(stdinCredit, id, pid);
      },
    ],
    [
      "an end of another form",
      (id) => {
        say(started, id, pid);
        say(exit, id, [0]);
      },
    ],
    [
      "an end of no kind",
      (id) => {
        say(started, id, pid);
        say(exit, id, [2, 0, 0, 0, 0]);
      },
    ],
    [
      "an exit code over 255",
      (id) => {
        say(started, id, pid);
        say(exit, id, [0, 0, 0, 1, 0]);
      },
    ],
    [
      "two ends",
      (id) => {
        say(started, id, pid);
        say(exit, id, ended);
        say(exit, id, ended);
      },
    ],
    [
      "output after the end",
      (id) => {
        say(started, id, pid);
        say(exit, id, ended);
        say(output, id, [1, 65]);
      },
    ],
  ])("with %s", async (_, act) => {
    const start = client.exec({ argv: ["x"], cwd: "/" }).catch(() => {});
    await once(peer, "data");
    act(asked[0]?.id ?? 0);
    expect(await client.ended).toMatchObject({ code: "violated" });
    await start;
  });

  it("with more output than was asked for", async () => {
    const start = client.exec({ argv: ["x"], cwd: "/" });
    await once(peer, "data");
    say(started, 1, pid);
    await start;
    const piece = Buffer.alloc(32_769, 1);
    for (let sent = 0; sent <= outputWindow; sent += 32_768) say(output, 1, piece);
    expect(await client.ended).toMatchObject({ code: "violated" });
  });
});

describe("an agent is taken for dead", () => {
  it("when it does not answer", async () => {
    await expect(client.ping()).rejects.toMatchObject({ code: "silent" });
    expect(await client.ended).toMatchObject({ code: "silent" });
  });

  it("when a program that was killed does not end", async () => {
    const start = client.exec({ argv: ["x"], cwd: "/" });
    await once(peer, "data");
    say(started, 1, pid);
    (await start).kill();
    expect(await client.ended).toMatchObject({ code: "silent" });
  });
});
