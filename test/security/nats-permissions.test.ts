import { randomUUID } from "node:crypto";
import { contracts, revocations, type ZoneInstance } from "@sallyport/contracts";
import { createTrust, issueUser, permissionsFor } from "@sallyport/infra-nats";
import { until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Attempt, attemptsOn, neverAllowed } from "./nats-expected.ts";
import { type Relay, startRelay, users } from "./nats-relay.ts";
import type { Message, Wire } from "./nats-wire.ts";

let relay: Relay;
beforeAll(async () => {
  relay = await startRelay();
});
afterEach(() => relay.closeAll());
afterAll(() => relay.stop());

async function isRefused(wire: Wire, attempt: Attempt): Promise<boolean> {
  const refusals =
    attempt.act === "pub"
      ? await wire.publish(attempt.subject)
      : await wire.trySubscribe(attempt.subject, attempt.queue);
  for (const refusal of refusals) expect(refusal).toMatch(/Permissions Violation/);
  return refusals.length > 0;
}

/** The attempts whose verdict is not the expected one, in words. */
async function surprises(wire: Wire, attempts: readonly Attempt[]): Promise<string[]> {
  const verdicts = await Promise.all(attempts.map((attempt) => isRefused(wire, attempt)));
  return attempts
    .filter((attempt, index) => attempt.allowed === verdicts[index])
    .map(({ act, subject, queue, allowed }) =>
      [act, subject, queue, allowed ? "is refused" : "is allowed"].filter(Boolean).join(" "),
    );
}

/** The first message of this wire that is as wanted. */
async function hears(wire: Wire, wanted: (message: Message) => boolean): Promise<Message> {
  return until(
    "a message",
    async () => {
      await wire.say("");
      return wire.heard.find(wanted);
    },
    { within: 5_000 },
  );
}

const edge1: ZoneInstance = { zone: "edge", instance: "e1" };
const connector1: ZoneInstance = { zone: "connector", instance: "c1" };
const broker1: ZoneInstance = { zone: "broker", instance: "b1" };
const collector1: ZoneInstance = { zone: "collector", instance: "k1" };
const operator1: ZoneInstance = { zone: "operator", instance: "o1" };

describe("with its own credentials", () => {
  test.each(users.map((who) => [`${who.zone}/${who.instance}`, who] as const))(
    "%s can do what its contracts say and nothing else",
    async (name, who) => {
      const attempts = contracts.flatMap((contract) => attemptsOn(contract, who));
      expect(attempts.filter((attempt) => attempt.allowed).length).toBeGreaterThan(2);
      expect(attempts.filter((attempt) => !attempt.allowed).length).toBeGreaterThan(100);
      const wire = await relay.join(who);
      expect(await surprises(wire, attempts), name).toEqual([]);
    },
  );

  test.each(users.map((who) => [`${who.zone}/${who.instance}`, who] as const))(
    "%s can neither listen broadly, nor read another's inbox, nor reach the system",
    async (name, who) => {
      const wire = await relay.join(who);
      expect(await surprises(wire, neverAllowed(who)), name).toEqual([]);
    },
  );

  test("the provisioner can make and see the streams, and neither read, write, delete nor purge them", async () => {
    const wire = await relay.join("provisioner");
    const may = ["INFO", "CREATE", "UPDATE"].map(
      (verb): Attempt => ({ act: "pub", subject: `$JS.API.STREAM.${verb}.AUDIT`, allowed: true }),
    );
    const mayNot = [
      ...["STREAM.DELETE.AUDIT", "STREAM.PURGE.AUDIT", "STREAM.MSG.DELETE.AUDIT", "STREAM.MSG.GET.AUDIT"],
      ...["STREAM.CREATE.OTHER", "CONSUMER.CREATE.AUDIT.x", "STREAM.SNAPSHOT.AUDIT", "DIRECT.GET.AUDIT"],
    ].map((request): Attempt => ({ act: "pub", subject: `$JS.API.${request}`, allowed: false }));
    const others = [
      "audit.v1.connector.c1",
      "$KV.leases.x",
      "$KV.revocations.x",
      "_INBOX.edge.e1.x",
      ">",
    ].flatMap((subject): Attempt[] => [
      { act: "pub", subject, allowed: false },
      { act: "sub", subject, allowed: false },
    ]);
    expect(await surprises(wire, [...may, ...mayNot, ...others])).toEqual([]);
  });
});

describe("who may connect", () => {
  test("a connection without credentials is refused", async () => {
    await expect(relay.open(undefined)).rejects.toThrow(/Authorization Violation/);
  });

  test("a user that another operator signed is refused", async () => {
    const foreign = await createTrust({ name: "test" });
    const creds = await issueUser(foreign, { zone: "broker", instance: "b1" });
    await expect(relay.open(creds)).rejects.toThrow(/Authorization Violation/);
  });

  test("one user's JWT with another user's key is refused", async () => {
    const [broker, edge] = await Promise.all([
      issueUser(relay.trust, { zone: "broker", instance: "b1" }),
      issueUser(relay.trust, { zone: "edge", instance: "e1" }),
    ]);
    const cut = "************************* IMPORTANT";
    const [jwt = ""] = Buffer.from(broker).toString().split(cut);
    const [, key = ""] = Buffer.from(edge).toString().split(cut);
    await expect(relay.open(Buffer.from(jwt + cut + key))).rejects.toThrow(/Authorization Violation/);
  });

  test.each(["*", ">", "a.b", "", "a b", "a\r\nSUB > 1", "a\0", "é", "x".repeat(65)])(
    "no user is issued for an instance named %j",
    async (instance) => {
      expect(() => permissionsFor({ zone: "edge", instance }, contracts)).toThrow(/instance/);
      expect(() => issueUser(relay.trust, { zone: "edge", instance })).toThrow(/instance/);
    },
  );

  test.each(["*", "provisioner", "", "$SYS", "edge.e1"])("no user is issued for a zone named %j", (zone) => {
    expect(() => permissionsFor({ zone: zone as "edge", instance: "x" }, contracts)).toThrow(/zone/);
  });
});

describe("the queue group of a server", () => {
  test("a line break in its name smuggles nothing in: the second line is judged by itself", async () => {
    const wire = await relay.join(broker1);
    const refusals = await wire.say("SUB broker.v1.*.lease broker 1\r\nSUB > 2\r\n");
    expect(refusals).toEqual([`'Permissions Violation for Subscription to ">"'`]);
  });

  test("is the only way to hear requests: an instance cannot listen in on its peers", async () => {
    const wire = await relay.join(broker1);
    expect(await wire.trySubscribe("broker.v1.*.lease")).toHaveLength(1);
    expect(await wire.trySubscribe("broker.v1.*.lease", "b1")).toHaveLength(1);
    expect(await wire.trySubscribe("broker.v1.*.lease", "broker")).toEqual([]);
  });
});

describe("an answer", () => {
  async function asked(): Promise<{ broker: Wire; connector: Wire; reply: string }> {
    const [broker, connector] = await Promise.all([relay.join(broker1), relay.join(connector1)]);
    await broker.subscribe("broker.v1.*.lease", "broker");
    await connector.subscribe("_INBOX.connector.c1.>");
    await connector.publish("broker.v1.c1.lease", "ask", "_INBOX.connector.c1.a");
    const request = await hears(broker, (message) => message.payload === "ask");
    expect(request.subject).toBe("broker.v1.c1.lease");
    return { broker, connector, reply: request.reply ?? "" };
  }

  test("reaches its asker once; a second one is refused", async () => {
    const { broker, connector, reply } = await asked();
    expect(await broker.publish(reply, "first")).toEqual([]);
    await hears(connector, (message) => message.payload === "first");
    expect(await broker.publish(reply, "second")).toHaveLength(1);
    await connector.say("");
    expect(connector.heard.map((message) => message.payload)).toEqual(["first"]);
  });

  test("goes nowhere but to the subject that was asked from", async () => {
    const { broker } = await asked();
    expect(await broker.publish("_INBOX.connector.c1.b", "unasked")).toHaveLength(1);
  });

  test("is refused when its time is over", async () => {
    const permissions = permissionsFor(broker1, contracts);
    expect(permissions.resp).toEqual({ max: 1, ttl: 60_000_000_000 });
    const milliseconds = 50;
    const short = { ...permissions, resp: { max: 1, ttl: milliseconds * 1_000_000 } };
    const broker = await relay.open(await relay.trust.sign("short", short));
    await broker.subscribe("broker.v1.*.release", "broker");
    const connector = await relay.join(connector1);
    await connector.publish("broker.v1.c1.release", "ask", "_INBOX.connector.c1.late");
    const request = await hears(broker, (message) => message.payload === "ask");
    const over = performance.now() + milliseconds;
    await until("the end of the answer's time", () => performance.now() > over, { within: 2_000 });
    expect(await broker.publish(request.reply ?? "", "late")).toHaveLength(1);
  });
});

describe("a trace header", () => {
  /** What an operator hears when edge e1 asks for a trace of one message to be sent to `destination`. */
  async function traced(destination: string): Promise<Wire> {
    const [edge, operator] = await Promise.all([relay.join(edge1), relay.join(operator1)]);
    await operator.subscribe("presence.v1.*.*");
    await edge.publishWith({ "Nats-Trace-Dest": destination }, { subject: "tunnel.v1.up.c1.e1" });
    await edge.publish("presence.v1.edge.e1", "end");
    await hears(operator, (message) => message.payload === "end");
    return operator;
  }
  const tracesIn = (operator: Wire) =>
    operator.heard.filter((message) => message.payload !== "end").map((message) => message.subject);

  test("has no trace sent to a subject that its sender may not publish", async () => {
    expect(tracesIn(await traced("presence.v1.edge.e2"))).toEqual([]);
  });

  test("has one sent where its sender may publish, so the test above tests something", async () => {
    const operator = await traced("presence.v1.edge.e1");
    // The server sends it by itself, and not in turn with what it passes on.
    await hears(operator, (message) => message.payload !== "end");
    expect(tracesIn(operator)).toEqual(["presence.v1.edge.e1"]);
  });
});

/** Asks for a push consumer and gives JetStream's answer. */
async function createConsumer(
  wire: Wire,
  who: ZoneInstance,
  ask: { stream: string; filter: string; deliverTo: string },
): Promise<string> {
  const name = randomUUID();
  const inbox = `_INBOX.${who.zone}.${who.instance}.${name}`;
  await wire.subscribe(inbox);
  const config = { name, filter_subject: ask.filter, deliver_policy: "all", ack_policy: "none" };
  const body = { stream_name: ask.stream, config: { ...config, deliver_subject: ask.deliverTo } };
  const subject = `$JS.API.CONSUMER.CREATE.${ask.stream}.${name}.${ask.filter}`;
  await wire.publish(subject, JSON.stringify(body), inbox);
  return (await hears(wire, (message) => message.subject === inbox)).payload;
}

describe("what the tables allow works", () => {
  test("a tunnel carries bytes both ways, and to nobody else", async () => {
    const [edge, connector] = await Promise.all([relay.join(edge1), relay.join(connector1)]);
    const otherEdge = await relay.join({ zone: "edge", instance: "e2" });
    const otherConnector = await relay.join({ zone: "connector", instance: "c2" });
    await edge.subscribe("tunnel.v1.down.e1.*");
    await otherEdge.subscribe("tunnel.v1.down.e2.*");
    await connector.subscribe("tunnel.v1.up.c1.*");
    await otherConnector.subscribe("tunnel.v1.up.c2.*");
    await edge.publish("tunnel.v1.up.c1.e1", "there");
    await hears(connector, (message) => message.payload === "there");
    await connector.publish("tunnel.v1.down.e1.c1", "back");
    await hears(edge, (message) => message.payload === "back");
    await Promise.all([otherEdge.say(""), otherConnector.say("")]);
    expect([...otherEdge.heard, ...otherConnector.heard]).toEqual([]);
  });

  test("what is published to a wildcard is heard by nobody whom the wildcard would match", async () => {
    const [edge, connector] = await Promise.all([relay.join(edge1), relay.join(connector1)]);
    await connector.subscribe("tunnel.v1.up.c1.*");
    await edge.publish("tunnel.v1.up.*.e1", "to all");
    await edge.publish("tunnel.v1.up.c1.e1", "to one");
    await hears(connector, (message) => message.payload === "to one");
    expect(connector.heard).toHaveLength(1);
  });

  test("a record is acknowledged to its appender, and a reader gets it through a consumer of its own", async () => {
    const [connector, collector] = await Promise.all([relay.join(connector1), relay.join(collector1)]);
    await connector.subscribe("_INBOX.connector.c1.ack");
    await connector.publish("audit.v1.connector.c1", "a record", "_INBOX.connector.c1.ack");
    const ack = await hears(connector, (message) => message.subject === "_INBOX.connector.c1.ack");
    expect(JSON.parse(ack.payload)).toMatchObject({ stream: "AUDIT" });
    const deliverTo = "_INBOX.collector.k1.records";
    await collector.subscribe(deliverTo);
    await createConsumer(collector, collector1, { stream: "AUDIT", filter: "audit.v1.*.*", deliverTo });
    const record = await hears(collector, (message) => message.payload === "a record");
    expect(record.subject).toBe("audit.v1.connector.c1");
  });

  test("a revocation that an operator writes reaches a connector that watches", async () => {
    const [operator, connector] = await Promise.all([relay.join(operator1), relay.join(connector1)]);
    const deliverTo = "_INBOX.connector.c1.watch";
    await connector.subscribe(deliverTo);
    const filter = "$KV.revocations.>";
    await createConsumer(connector, connector1, { stream: "KV_revocations", filter, deliverTo });
    await operator.publish("$KV.revocations.one", "revoked");
    await hears(connector, (message) => message.payload === "revoked");
  });
});

describe("what is stored", () => {
  test.each(["audit.v1.connector.c1", "audit.v1.collector.k1"])(
    "cannot be appended to the audit stream again at %s by who may read it",
    async (deliverTo) => {
      const collector = await relay.join(collector1);
      const ask = { stream: "AUDIT", filter: "audit.v1.*.*", deliverTo };
      expect(await createConsumer(collector, collector1, ask)).toContain("forms a cycle");
    },
  );

  test.each([
    ["Nats-TTL", "1s"],
    ["Nats-Rollup", "all"],
    ["Nats-Rollup", "sub"],
    ["Nats-Batch-Id", "b"],
    ["Nats-Schedule", "@at 2030-01-01T00:00:00Z"],
    ["Nats-Incr", "1"],
  ])(
    "in the audit stream cannot expire, be rolled up or come later by the header %s: %s",
    async (header, value) => {
      const connector = await relay.join(connector1);
      const reply = "_INBOX.connector.c1.ack";
      await connector.subscribe(reply);
      await connector.publishWith(
        { [header]: value },
        { subject: "audit.v1.connector.c1", reply },
        "a record",
      );
      const ack = await hears(connector, (message) => message.subject === reply);
      expect(JSON.parse(ack.payload)).toHaveProperty("error");
    },
  );

  test("as a revocation is never what JetStream says, though anyone who asks it can have that sent to a key", () => {
    // NATS does not check reply subjects: an acknowledgement may be asked for at `$KV.revocations.x`, and is stored.
    const said = [
      { stream: "AUDIT", seq: 5, duplicate: true },
      { type: "io.nats.jetstream.api.v1.stream_msg_get_response", message: { subject: "x", seq: 1 } },
      { error: { code: 404, description: "no message found" } },
    ];
    for (const value of said) expect(revocations.value.safeParse(value).success).toBe(false);
  });
});
