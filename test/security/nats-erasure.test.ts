import { randomUUID } from "node:crypto";
import { leaseLedger, revocationKey, revocations, type ZoneInstance } from "@sallyport/contracts";
import { until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Relay, startRelay } from "./nats-relay.ts";
import type { Wire } from "./nats-wire.ts";

/*
 * NATS checks the subject that one publishes to, never the reply subject beside it. So whoever may append a record or
 * ask JetStream anything can have JetStream's answer sent to any subject: that of a stored entry too.
 */

let relay: Relay;
beforeAll(async () => {
  relay = await startRelay({ bucketBytes: 64 * 1024 });
});
afterEach(() => relay.closeAll());
afterAll(() => relay.stop());

const connector1: ZoneInstance = { zone: "connector", instance: "c1" };
const operator1: ZoneInstance = { zone: "operator", instance: "o1" };
const broker1: ZoneInstance = { zone: "broker", instance: "b1" };

/** A user and what JetStream answers him. */
async function join(who: ZoneInstance) {
  const wire = await relay.join(who);
  const prefix = `_INBOX.${who.zone}.${who.instance}`;
  await wire.subscribe(`${prefix}.>`);
  const ask = async (subject: string, body = ""): Promise<Record<string, unknown>> => {
    const inbox = `${prefix}.${randomUUID()}`;
    expect(await wire.publish(subject, body, inbox)).toEqual([]);
    return JSON.parse((await heardAt(wire, inbox)).payload) as Record<string, unknown>;
  };
  return { wire, ask };
}

function heardAt(wire: Wire, subject: string) {
  return until(
    `an answer at ${subject}`,
    async () => {
      await wire.say("");
      return wire.heard.find((message) => message.subject === subject);
    },
    { within: 5_000 },
  );
}

type User = Awaited<ReturnType<typeof join>>;

async function stored(
  reader: User,
  { stream, key }: { stream: string; key: string },
): Promise<string | undefined> {
  const answer = await reader.ask(
    `$JS.API.STREAM.MSG.GET.KV_${stream}`,
    JSON.stringify({ last_by_subj: `$KV.${stream}.${key}` }),
  );
  const message = answer.message as { data?: string } | undefined;
  return message && Buffer.from(message.data ?? "", "base64").toString();
}

function aRevocation(): { key: string; value: string } {
  const value: (typeof revocations.value)["_input"] = {
    kind: "agent",
    value: randomUUID(),
    until: "2100-01-01T00:00:00Z",
  };
  return { key: revocationKey("agent"), value: JSON.stringify(value) };
}

/** Everything a connector may have JetStream say, with the answer sent to `target`. */
const answersOfJetStream: Record<string, (wire: Wire, target: string) => Promise<string[]>> = {
  "the acknowledgement of an audit record": (wire, target) =>
    wire.publish("audit.v1.connector.c1", "a record", target),
  "a stored message": (wire, target) =>
    wire.publish("$JS.API.STREAM.MSG.GET.KV_revocations", JSON.stringify({ seq: 1 }), target),
  "the state of a stream": (wire, target) => wire.publish("$JS.API.STREAM.INFO.KV_revocations", "", target),
  "a refusal": (wire, target) => wire.publish("$JS.API.STREAM.MSG.GET.KV_revocations", "{", target),
};

describe("a revocation", () => {
  test.each(Object.keys(answersOfJetStream))("is not replaced by %s", async (answer) => {
    const [operator, connector] = await Promise.all([join(operator1), join(connector1)]);
    const { key, value } = aRevocation();
    expect(await operator.ask(`$KV.revocations.${key}`, value)).toMatchObject({ stream: "KV_revocations" });
    const control = revocationKey("agent");
    for (const target of [key, control]) {
      expect(await answersOfJetStream[answer]?.(connector.wire, `$KV.revocations.${target}`)).toEqual([]);
    }
    // The same answer is stored at a key that is free, so the attack is real; and comes after the first one.
    const forged = await until(
      "the answer at the free key",
      () => stored(connector, { stream: "revocations", key: control }),
      { within: 5_000 },
    );
    expect(() => revocations.value.parse(JSON.parse(forged))).toThrow();
    expect(await stored(connector, { stream: "revocations", key })).toBe(value);
  });

  test.each([
    ["a second value", {}, /maximum messages per subject/],
    ["a deletion marker", { "KV-Operation": "DEL" }, /maximum messages per subject/],
    ["a purge", { "KV-Operation": "PURGE", "Nats-Rollup": "sub" }, /rollup/],
    ["a purge of all", { "Nats-Rollup": "all" }, /rollup/],
  ])("is not taken back by %s, even from an operator", async (_, headers, refusal) => {
    const operator = await join(operator1);
    const { key, value } = aRevocation();
    await operator.ask(`$KV.revocations.${key}`, value);
    const reply = `_INBOX.operator.o1.${randomUUID()}`;
    await operator.wire.publishWith({ "X-A": "b", ...headers }, { subject: `$KV.revocations.${key}`, reply });
    expect((await heardAt(operator.wire, reply)).payload).toMatch(refusal);
    expect(await stored(operator, { stream: "revocations", key })).toBe(value);
  });

  test.each(["PURGE", "DELETE", "MSG.DELETE", "UPDATE"])(
    "is not lost where JetStream's answer is sent to its own STREAM.%s",
    async (verb) => {
      const [operator, connector] = await Promise.all([join(operator1), join(connector1)]);
      const { key, value } = aRevocation();
      await operator.ask(`$KV.revocations.${key}`, value);
      for (const answer of Object.values(answersOfJetStream)) {
        await answer(connector.wire, `$JS.API.STREAM.${verb}.KV_revocations`);
      }
      expect(await stored(connector, { stream: "revocations", key })).toBe(value);
    },
  );
});

test("a flooded bucket drops no revocation and says so to who writes the next", async () => {
  const [operator, connector] = await Promise.all([join(operator1), join(connector1)]);
  const { key, value } = aRevocation();
  await operator.ask(`$KV.revocations.${key}`, value);
  const full = await until(
    "the bucket being full",
    async () => {
      for (let count = 0; count < 100; count += 1) {
        await connector.wire.publish("audit.v1.connector.c1", "a record", `$KV.revocations.${randomUUID()}`);
      }
      const next = aRevocation();
      const answer = await operator.ask(`$KV.revocations.${next.key}`, next.value);
      return "error" in answer && answer;
    },
    { within: 20_000 },
  );
  expect(full).toMatchObject({ error: { description: "maximum bytes exceeded" } });
  expect(await stored(connector, { stream: "revocations", key })).toBe(value);
  // The way out: more room, which the provisioner gives without loss, and no more credentials for who floods.
  await relay.provision({ bucketBytes: 16 * 1024 * 1024 });
  const next = aRevocation();
  expect(await operator.ask(`$KV.revocations.${next.key}`, next.value)).toMatchObject({
    stream: "KV_revocations",
  });
  expect(await stored(connector, { stream: "revocations", key: next.key })).toBe(next.value);
});

describe("the lease ledger", () => {
  test("takes JetStream's answer at any key, so its keys are what must not be known", async () => {
    const [broker, connector] = await Promise.all([join(broker1), join(connector1)]);
    await connector.wire.publish("audit.v1.connector.c1", "a record", "$KV.leases.known");
    const forged = await until("the answer", () => stored(broker, { stream: "leases", key: "known" }), {
      within: 5_000,
    });
    expect(() => leaseLedger.value.parse(JSON.parse(forged))).toThrow();
  });

  test("has keys that a connector can neither read, list nor watch", async () => {
    const connector = await join(connector1);
    for (const subject of [
      "$JS.API.STREAM.INFO.KV_leases",
      "$JS.API.STREAM.MSG.GET.KV_leases",
      "$JS.API.DIRECT.GET.KV_leases.$KV.leases.x",
      "$JS.API.CONSUMER.CREATE.KV_leases.x.$KV.leases.>",
    ]) {
      expect(await connector.wire.publish(subject, "", "_INBOX.connector.c1.x")).toHaveLength(1);
    }
    expect(await connector.wire.trySubscribe("$KV.leases.>")).toHaveLength(1);
  });
});
