import { expect, it } from "vitest";
import type { ChildMessage } from "./child-message.ts";
import { Standalone } from "./standalone.ts";
import { Recorder } from "./stdio.fixture.ts";

type Sent = Exclude<ChildMessage, { kind: "response" }>;
const notification = (n: number): Sent => ({
  kind: "notification",
  method: "n",
  progressToken: undefined,
  subscription: undefined,
  bytes: Buffer.from(`{"n":${n}}`),
});
const request = (id: number): Sent => ({
  kind: "request",
  id,
  method: "r",
  bytes: Buffer.from(`{"r":${id}}`),
});

it("drops the oldest notifications of a full queue, then refuses the oldest request, and gives the rest to the stream", () => {
  const refused: unknown[] = [];
  const standalone = new Standalone({ maxQueued: 3, maxQueuedBytes: 1_000 }, ({ id }) => refused.push(id));
  for (const message of [notification(1), request(10), notification(2), request(11), request(12)])
    standalone.send(message);
  expect(refused).toEqual([]);
  standalone.send(request(13));
  expect(refused).toEqual([10]);
  const reply = new Recorder();
  standalone.open(reply);
  expect(reply.messages).toEqual([{ r: 11 }, { r: 12 }, { r: 13 }]);
});

it("keeps within its bytes, also while the stream is open and not read", () => {
  const standalone = new Standalone({ maxQueued: 100, maxQueuedBytes: 20 }, () => undefined);
  const reply = new Recorder();
  reply.keepsUp = false;
  standalone.open(reply);
  for (let n = 0; n < 10; n += 1) standalone.send(notification(n));
  reply.keepsUp = true;
  standalone.resume(reply);
  expect(reply.messages).toEqual([{ n: 0 }, { n: 8 }, { n: 9 }]);
});
