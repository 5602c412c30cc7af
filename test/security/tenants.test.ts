import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { contracts, type ZoneInstance } from "@sallyport/contracts";
import {
  connectRelayAdmin,
  createTrust,
  issueUser,
  provisionStreams,
  serverConfig,
  type Trust,
} from "@sallyport/infra-nats";
import { leakCheck, type NatsServer, startNats, until } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { attemptsOn } from "./nats-expected.ts";
import { users } from "./nats-relay.ts";
import { type Message, Wire } from "./nats-wire.ts";

/*
 * Two tenants on one relay, with the same names for everything: zones, servers, agents, streams. Every attack of the one
 * on the other is also made within the one tenant, where it succeeds: a test that sees nothing could see.
 */
const tenants = ["acme", "other"] as const;
/** What is used of JetStream's answers. */
interface Answer {
  state?: { messages: number };
  config?: { name: string };
  message?: { data: string };
}
type Tenant = (typeof tenants)[number];

let folder: string;
let trust: Trust;
let server: NatsServer;
const wires: Wire[] = [];
/** One for each tenant that may say and hear everything in its account: more than any zone has. */
let almighty: Record<Tenant, Wire>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-tenants-"));
  trust = await createTrust({ name: "test", tenants });
  const jetstream = { dir: join(folder, "js"), syncAlways: false, maxBytes: 256 * 2 ** 20 };
  const config = serverConfig(trust, { jetstream, resolver: { dir: join(folder, "accounts") } });
  server = await startNats({ jetstream: false, config });
  for (const tenant of tenants) {
    const creds = await issueUser(trust, "provisioner", tenant);
    await provisionStreams({ servers: [server.url], creds, maxBytes: { log: 2 ** 22, bucket: 2 ** 20 } });
  }
}, 60_000);
afterAll(async () => {
  await Promise.all(wires.map((wire) => wire.close()));
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
  await leakCheck();
});
beforeEach(async () => {
  await Promise.all(wires.splice(0).map((wire) => wire.close()));
  almighty = { acme: await openAlmighty("acme"), other: await openAlmighty("other") };
});

async function open(creds: Uint8Array): Promise<Wire> {
  const wire = await Wire.open(server.port, creds);
  wires.push(wire);
  return wire;
}
const all = { allow: [">"] };
const openAlmighty = async (tenant: Tenant) =>
  open(await trust.sign("almighty", { pub: all, sub: all }, tenant));
const joinAs = async (tenant: Tenant, who: ZoneInstance) => open(await issueUser(trust, who, tenant));

/** What this zone may publish, with every name in every place, JetStream's own API left out. */
function sayable(who: ZoneInstance): string[] {
  const attempts = contracts.flatMap((contract) => attemptsOn(contract, who));
  const subjects = attempts
    .filter(({ act, allowed }) => act === "pub" && allowed)
    .map(({ subject }) => subject);
  return [...new Set(subjects)].filter((subject) => !subject.startsWith("$JS"));
}

/** JetStream's answer to a question, asked with everything allowed. */
async function ask(wire: Wire, subject: string, body: unknown = ""): Promise<Answer> {
  const inbox = `_INBOX.almighty.${crypto.randomUUID()}`;
  await wire.subscribe(inbox);
  const refusals = await wire.publish(subject, typeof body === "string" ? body : JSON.stringify(body), inbox);
  expect(refusals).toEqual([]);
  const { payload } = await heard(wire, (message) => message.subject === inbox);
  return payload === "" ? {} : JSON.parse(payload.startsWith("NATS/1.0") ? "{}" : payload);
}

async function heard(wire: Wire, wanted: (message: Message) => boolean): Promise<Message> {
  const look = async () => {
    await wire.say("");
    return wire.heard.find(wanted);
  };
  return await until("an answer", look, { within: 5_000 });
}

/** All that a tenant's listener has heard once everything that was said before has come. */
async function allHeard(tenant: Tenant): Promise<Message[]> {
  const wire = almighty[tenant];
  const barrier = `barrier.${crypto.randomUUID()}`;
  await wire.subscribe(barrier);
  await wire.publish(barrier, "barrier");
  await heard(wire, ({ subject }) => subject === barrier);
  return wire.heard;
}

describe("of two tenants on one relay", () => {
  test.each(users.map((who) => [`${who.zone}/${who.instance}`, who] as const))(
    "neither hears anything that %s says in the other, on no subject of any contract",
    async (_name, who) => {
      const subjects = sayable(who);
      for (const tenant of tenants) await almighty[tenant].subscribe(">");
      for (const tenant of tenants) {
        const wire = await joinAs(tenant, who);
        for (const subject of subjects)
          expect(await wire.publish(subject, `by ${tenant}`), subject).toEqual([]);
      }
      for (const tenant of tenants) {
        const messages = await allHeard(tenant);
        // Within the tenant all of it is heard: the listener listens.
        const own = messages
          .filter(({ payload }) => payload === `by ${tenant}`)
          .map(({ subject }) => subject);
        expect(new Set(own)).toEqual(new Set(subjects));
        expect(
          messages.filter(({ payload }) => payload.startsWith("by ") && payload !== `by ${tenant}`),
        ).toEqual([]);
      }
    },
  );

  test("a zone hears its own tenant's peer of that name, and not the other's", async () => {
    const edge = { zone: "edge", instance: "e1" } as const;
    const connector = { zone: "connector", instance: "c1" } as const;
    const hearing = { acme: await joinAs("acme", edge), other: await joinAs("other", edge) };
    for (const tenant of tenants) {
      for (const subject of ["tunnel.v1.down.e1.*", "presence.v1.*.*"])
        await hearing[tenant].subscribe(subject);
    }
    const wire = await joinAs("acme", connector);
    for (const subject of ["tunnel.v1.down.e1.c1", "presence.v1.connector.c1"])
      await wire.publish(subject, "of acme");
    await heard(hearing.acme, ({ payload }) => payload === "of acme");
    await wire.close();
    const own = await joinAs("other", connector);
    await own.publish("presence.v1.connector.c1", "of other");
    await heard(hearing.other, ({ payload }) => payload === "of other");
    expect(hearing.other.heard.map(({ payload }) => payload)).toEqual(["of other"]);
  });

  test("a question's answer comes to its own tenant's inbox, whatever the other listens to", async () => {
    await almighty.other.subscribe("_INBOX.>");
    await almighty.acme.subscribe("_INBOX.>");
    const broker = await joinAs("acme", { zone: "broker", instance: "b1" });
    const thief = await joinAs("other", { zone: "broker", instance: "b1" });
    for (const wire of [broker, thief]) await wire.subscribe("broker.v1.*.lease", "broker");
    const connector = await joinAs("acme", { zone: "connector", instance: "c1" });
    await connector.subscribe("_INBOX.connector.c1.>");
    await connector.publish("broker.v1.c1.lease", "a grant", "_INBOX.connector.c1.x");
    const { reply = "" } = await heard(broker, ({ payload }) => payload === "a grant");
    await broker.publish(reply, "sealed");
    await heard(connector, ({ payload }) => payload === "sealed");
    await heard(almighty.acme, ({ payload }) => payload === "sealed");
    await almighty.other.publish("_INBOX.connector.c1.x", "forged");
    await thief.say("");
    expect(thief.heard).toEqual([]);
    expect((await allHeard("other")).filter(({ payload }) => payload === "sealed")).toEqual([]);
    await connector.say("");
    expect(connector.heard.map(({ payload }) => payload)).toEqual(["sealed"]);
  });

  test("streams and buckets of one name are two: nothing is read, listed, taken or deleted in the other", async () => {
    const [acme, other] = [almighty.acme, almighty.other];
    const before = (await ask(other, "$JS.API.STREAM.INFO.AUDIT")).state?.messages;
    const connector = await joinAs("acme", { zone: "connector", instance: "c1" });
    await connector.publish("audit.v1.connector.c1", "acme's record");
    const operator = await joinAs("acme", { zone: "operator", instance: "o1" });
    await operator.publish("$KV.revocations.mine", "acme's revocation");
    const last = { last_by_subj: "audit.v1.connector.c1" };
    const mine = { last_by_subj: "$KV.revocations.mine" };
    // The control: who may, in the tenant itself, finds both.
    const read = async (wire: Wire, stream: string, body: object) => {
      const { message } = await ask(wire, `$JS.API.STREAM.MSG.GET.${stream}`, body);
      return message === undefined ? undefined : Buffer.from(message.data, "base64").toString();
    };
    await until("the record is kept", async () => (await read(acme, "AUDIT", last)) === "acme's record", {
      within: 5_000,
    });
    expect(await read(acme, "KV_revocations", mine)).toBe("acme's revocation");

    expect(await read(other, "AUDIT", last)).not.toBe("acme's record");
    expect(await read(other, "KV_revocations", mine)).toBeUndefined();
    expect((await ask(other, "$JS.API.STREAM.INFO.AUDIT")).state?.messages).toBe(before);
    const consumer = {
      name: "thief",
      filter_subject: "audit.v1.*.*",
      deliver_policy: "all",
      ack_policy: "none",
    };
    const deliver = { stream_name: "AUDIT", config: { ...consumer, deliver_subject: "stolen" } };
    for (const wire of [other, acme]) {
      await wire.subscribe("stolen");
      await ask(wire, "$JS.API.CONSUMER.CREATE.AUDIT.thief.audit.v1.*.*", deliver);
    }
    await heard(acme, ({ payload }) => payload === "acme's record");
    expect((await allHeard("other")).filter(({ payload }) => payload === "acme's record")).toEqual([]);
    await ask(acme, "$JS.API.CONSUMER.DELETE.AUDIT.thief");

    // A bucket may be purged in one's own: the other's stays.
    await ask(other, "$JS.API.STREAM.PURGE.KV_revocations");
    await ask(other, "$JS.API.STREAM.DELETE.KV_environment_keys");
    expect(await read(acme, "KV_revocations", mine)).toBe("acme's revocation");
    expect((await ask(acme, "$JS.API.STREAM.INFO.KV_environment_keys")).config?.name).toBe(
      "KV_environment_keys",
    );
  });

  test("a stream that would copy the other's copies nothing, whatever it calls the other's API", async () => {
    const { id } = trust.documents.accounts.acme ?? { id: "" };
    const record = Buffer.from("to be copied").toString("base64");
    const connector = await joinAs("acme", { zone: "connector", instance: "c1" });
    await connector.publish("audit.v1.connector.c1", "to be copied");
    /** The last record in a stream that copies AUDIT. An account has room for the contracts' streams and no more. */
    const copied = async (tenant: Tenant, external: object) => {
      const wire = almighty[tenant];
      await ask(wire, "$JS.API.STREAM.DELETE.WORK");
      await ask(wire, "$JS.API.STREAM.DELETE.COPY");
      const config = {
        name: "COPY",
        storage: "file",
        max_bytes: 2 ** 16,
        sources: [{ name: "AUDIT", ...external }],
      };
      const made = await ask(wire, "$JS.API.STREAM.CREATE.COPY", config);
      return {
        made,
        last: async () => await ask(wire, "$JS.API.STREAM.MSG.GET.COPY", { last_by_subj: "audit.v1.>" }),
      };
    };
    // Within the tenant it is copied: so it would be seen.
    const own = await copied("acme", {});
    expect(own.made.config?.name).toBe("COPY");
    const seen = async () => (await own.last()).message?.data === record;
    await until("the copy has the record", seen, { within: 5_000 });
    for (const api of ["$JS.API", `$JS.${id}.API`, "$JS.acme.API"]) {
      const theft = await copied("other", { external: { api, deliver: "deliver.stolen" } });
      expect((await theft.last()).message?.data).not.toBe(record);
      expect(JSON.stringify((await allHeard("other")).map(({ payload }) => payload))).not.toContain(record);
    }
  });

  test("the system tells neither of the other: no connection, no account, no event", async () => {
    const { id } = trust.documents.accounts.acme ?? { id: "" };
    await almighty.other.subscribe("$SYS.>");
    await (await joinAs("acme", { zone: "edge", instance: "e1" })).close();
    const questions = [
      ...[`$SYS.REQ.ACCOUNT.${id}.CONNZ`, `$SYS.REQ.ACCOUNT.${id}.INFO`, `$SYS.REQ.ACCOUNT.${id}.SUBSZ`],
      ...[
        `$SYS.REQ.ACCOUNT.${id}.CLAIMS.LOOKUP`,
        "$SYS.REQ.ACCOUNT.PING.CONNZ",
        "$SYS.REQ.ACCOUNT.PING.STATZ",
      ],
      ...[
        "$SYS.REQ.SERVER.PING",
        "$SYS.REQ.SERVER.PING.CONNZ",
        "$SYS.REQ.SERVER.PING.ACCOUNTZ",
        "$SYS.REQ.USER.INFO",
      ],
      ...["$SYS.REQ.CLAIMS.LIST", "$SYS.REQ.CLAIMS.PACK"],
    ];
    await almighty.other.subscribe("answers");
    for (const question of questions) await almighty.other.publish(question, "", "answers");
    // It is told of itself, so somebody answers.
    const own = trust.documents.accounts.other?.id ?? "";
    await heard(almighty.other, ({ subject, payload }) => subject === "answers" && payload.includes(own));
    const told = (await allHeard("other")).filter(({ payload }) => payload.includes(id));
    expect(told.map(({ subject }) => subject)).toEqual([]);
    expect((await allHeard("other")).filter(({ subject }) => subject.startsWith("$SYS.ACCOUNT"))).toEqual([]);

    // The control: the relay's operator, who may ask, is told.
    await joinAs("acme", { zone: "edge", instance: "e1" });
    const admin = await connectRelayAdmin({ servers: [server.url], creds: await trust.issueRelayOperator() });
    try {
      expect((await admin.connected(id)).length).toBeGreaterThan(0);
    } finally {
      await admin.close();
    }
  });

  test("a user of the one is no user of the other, though names and permissions are the same", async () => {
    const creds = Buffer.from(await issueUser(trust, { zone: "edge", instance: "e1" }, "acme")).toString();
    const theirs = Buffer.from(await issueUser(trust, { zone: "edge", instance: "e1" }, "other")).toString();
    const [, key = ""] = theirs.split("************************* IMPORTANT");
    const [jwt = ""] = creds.split("************************* IMPORTANT");
    const mixed = Buffer.from(`${jwt}************************* IMPORTANT${key}`);
    await expect(open(mixed)).rejects.toThrow(/Authorization Violation/);
  });
});
