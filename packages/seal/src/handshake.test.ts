import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  answer,
  connectorKeys,
  edgeKeys,
  flipBit,
  NOW,
  openPair,
  startHandshake,
} from "./handshake.fixture.ts";
import { REPLY_BYTES } from "./handshake.ts";
import { decodeHello, encodeHello, HELLO_BYTES } from "./hello.ts";
import { importPrivateKey, importPublicKey } from "./import-key.ts";
import { deriveSession } from "./key-schedule.ts";
import { generateRecipientKey, parsePublicKey } from "./keys.ts";
import { seenHellos } from "./seen-hellos.ts";
import { Session } from "./session.ts";
import { ENCAPSULATION_BYTES, label, suite } from "./suite.ts";

const text = (value: string) => new TextEncoder().encode(value);
const later = (ms: number) => new Date(NOW.getTime() + ms);

describe("a handshake between an enrolled edge and an enrolled connector", () => {
  test("gives both sides the same session, each with the other's name", async () => {
    const { edge, connector } = await openPair();
    expect(edge.id).toBe(connector.id);
    expect(Buffer.from(edge.id, "base64url")).toHaveLength(16);
    expect(edge.peer).toBe("acme.c1");
    expect(connector.peer).toBe("e1");
    expect(connector.open(edge.seal(text("ask")))).toEqual(Buffer.from("ask"));
    expect(edge.open(connector.seal(text("answer")))).toEqual(Buffer.from("answer"));
  });

  test("never gives the same session twice", async () => {
    const first = await openPair();
    const second = await openPair();
    expect(first.edge.id).not.toBe(second.edge.id);
    expect(first.edge.seal(text("same"))).not.toEqual(second.edge.seal(text("same")));
  });

  test("goes on while either side changes its key: old and new count, others never", async () => {
    const next = { edge: generateKeyPairSync("ed25519"), connector: await generateRecipientKey() };
    const both = {
      privateKey: [next.connector.privateKey, connectorKeys.privateKey],
      edgeKey: () => [next.edge.publicKey, edgeKeys.publicKey],
    };
    const ways = [
      [{}, edgeKeys.publicKey],
      [{ signingKey: next.edge.privateKey }, next.edge.publicKey],
      [{ recipient: next.connector.publicKey }, edgeKeys.publicKey],
    ] as const;
    for (const [changes, shown] of ways) {
      const { hello, finish } = await startHandshake(changes);
      const accepted = await answer(hello, both);
      expect(accepted.edgeKey.equals(shown)).toBe(true);
      expect((await finish(accepted.reply)).peer).toBe("acme.c1");
    }
    const other = generateKeyPairSync("ed25519");
    const { hello } = await startHandshake({ signingKey: other.privateKey });
    await expect(answer(hello, both)).rejects.toMatchObject({ code: "bad-signature" });
    await expect(answer(hello, { edgeKey: () => [] })).rejects.toMatchObject({ code: "unknown-edge" });
    const elsewhere = await startHandshake({ recipient: (await generateRecipientKey()).publicKey });
    await expect(answer(elsewhere.hello, both)).rejects.toMatchObject({ code: "not-for-us" });
  });

  test("has messages of one size, whatever the names", async () => {
    for (const name of ["e", "é".repeat(63)]) {
      const { hello } = await startHandshake({ edge: name });
      const { reply, edge } = await answer(hello, { edgeKey: () => edgeKeys.publicKey });
      expect([hello.length, reply.length]).toEqual([HELLO_BYTES, REPLY_BYTES]);
      expect(edge).toBe(name);
    }
  });

  test("shows neither name on the wire", async () => {
    const { hello, reply } = await openPair();
    for (const name of ["e1\0", "acme.c1"]) {
      expect(Buffer.concat([hello, reply]).includes(name)).toBe(false);
    }
  });

  test.each(["", "x".repeat(128), "\ud800"])("refuses an edge name that does not fit: %j", async (edge) => {
    await expect(startHandshake({ edge })).rejects.toMatchObject({ code: "malformed" });
  });
});

describe("somebody between the two", () => {
  test("cannot change any byte of the hello", async () => {
    const { hello } = await startHandshake();
    for (let at = 0; at < hello.length; at++) {
      const changed = flipBit(hello, at * 8 + (at % 8));
      await expect(answer(changed)).rejects.toMatchObject({ code: at === 0 ? "malformed" : "not-for-us" });
    }
  });

  test("cannot change any part of the reply", async () => {
    // Every byte after the encapsulation, and a sample of the encapsulation: each costs a handshake.
    for (let at = 0; at < REPLY_BYTES; at += at < ENCAPSULATION_BYTES ? 7 : 1) {
      const { hello, finish } = await startHandshake();
      const { reply } = await answer(hello);
      await expect(finish(flipBit(reply, at * 8 + (at % 8)))).rejects.toMatchObject({ code: "bad-reply" });
    }
  });

  test("cannot change the unused top bit of an X25519 key", async () => {
    const attempt = await startHandshake();
    const accepted = await answer(attempt.hello);
    const bit = ENCAPSULATION_BYTES * 8 + 7;
    await expect(answer(flipBit(attempt.hello, bit))).rejects.toMatchObject({ code: "not-for-us" });
    await expect(attempt.finish(flipBit(accepted.reply, bit))).rejects.toMatchObject({ code: "bad-reply" });
  });

  test("cannot cut or extend hello or reply", async () => {
    for (const size of [0, 1, -1]) {
      const attempt = await startHandshake();
      const { reply } = await answer(attempt.hello);
      const resize = (bytes: Uint8Array) =>
        size === 0
          ? new Uint8Array()
          : size < 0
            ? bytes.subarray(0, size)
            : Buffer.concat([bytes, Buffer.alloc(size)]);
      await expect(answer(resize(attempt.hello))).rejects.toMatchObject({ code: "malformed" });
      await expect(attempt.finish(resize(reply))).rejects.toMatchObject({ code: "bad-reply" });
    }
  });

  test("cannot answer one hello with the reply to another", async () => {
    const one = await startHandshake();
    const other = await startHandshake();
    const { reply } = await answer(other.hello);
    await expect(one.finish(reply)).rejects.toMatchObject({ code: "bad-reply" });
    const own = await answer(one.hello);
    expect((await one.finish(own.reply)).id).toBe(own.session.id);
  });

  test("cannot answer without the enrolled private key", async () => {
    const { hello } = await startHandshake();
    const { privateKey } = await generateRecipientKey();
    await expect(answer(hello, { privateKey })).rejects.toMatchObject({ code: "not-for-us" });
  });

  test("cannot finish one handshake twice", async () => {
    const { hello, finish } = await startHandshake();
    const { reply } = await answer(hello);
    await finish(reply);
    await expect(finish(reply)).rejects.toMatchObject({ code: "dead" });
  });

  test("cannot finish one handshake twice at the same time", async () => {
    const { hello, finish } = await startHandshake();
    const { reply } = await answer(hello);
    const ends = await Promise.allSettled([finish(reply), finish(reply)]);
    expect(ends.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("cannot send one connector's hello to another that shares its key", async () => {
    const { hello } = await startHandshake();
    await expect(answer(hello, { connector: "acme.c2" })).rejects.toMatchObject({ code: "wrong-connector" });
  });

  test("cannot, being a connector, seal an edge's signed hello again for another connector", async () => {
    // The edge talks to a connector that was taken over; its owner now wants to be the edge at acme.c1.
    const evil = await generateRecipientKey();
    const { hello } = await startHandshake({ recipient: evil.publicKey });
    const sealedAt = 1 + ENCAPSULATION_BYTES;
    const opened = await suite.SetupRecipient(
      await importPrivateKey(evil.privateKey),
      hello.subarray(1, sealedAt),
      {
        info: label("hello"),
      },
    );
    const body = await opened.Open(hello.subarray(sealedAt));
    const target = await importPublicKey(parsePublicKey(connectorKeys.publicKey).bytes);
    const { encapsulatedSecret, ctx } = await suite.SetupSender(target, { info: label("hello") });
    const forwarded = Buffer.concat([Uint8Array.of(1), encapsulatedSecret, await ctx.Seal(body)]);
    await expect(answer(forwarded)).rejects.toMatchObject({ code: "bad-signature" });
  });
});

describe("a connector", () => {
  test("refuses an edge that is not enrolled", async () => {
    const { hello } = await startHandshake({ edge: "e2" });
    await expect(answer(hello)).rejects.toMatchObject({ code: "unknown-edge" });
  });

  test("refuses a hello signed with another key than that of the edge it names", async () => {
    const { hello } = await startHandshake({ signingKey: generateKeyPairSync("ed25519").privateKey });
    await expect(answer(hello)).rejects.toMatchObject({ code: "bad-signature" });
  });

  test("refuses a hello further than two minutes from its clock, on either side", async () => {
    const { hello } = await startHandshake();
    for (const ms of [-120_001, 120_001]) {
      await expect(answer(hello, { now: later(ms) })).rejects.toMatchObject({ code: "stale" });
    }
    for (const ms of [-120_000, 120_000]) await answer(hello, { now: later(ms) });
  });

  test("answers a hello once", async () => {
    const seen = seenHellos();
    const { hello } = await startHandshake();
    await answer(hello, { seen });
    await expect(answer(hello, { seen })).rejects.toMatchObject({ code: "replayed" });
    await expect(answer(hello, { seen, now: later(119_000) })).rejects.toMatchObject({ code: "replayed" });
    await expect(answer(hello, { seen, now: later(121_000) })).rejects.toMatchObject({ code: "stale" });
  });

  test("answers one of several copies that arrive at once", async () => {
    const seen = seenHellos();
    const { hello } = await startHandshake();
    const results = await Promise.allSettled([answer(hello, { seen }), answer(hello, { seen })]);
    expect(results.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
  });

  test("remembers only hellos with a valid signature, so strangers cannot fill its memory", async () => {
    const seen = seenHellos();
    const { hello } = await startHandshake({ signingKey: generateKeyPairSync("ed25519").privateKey });
    await expect(answer(hello, { seen })).rejects.toThrow();
    expect(seen.size).toBe(0);
  });

  test("refuses new hellos when its memory is full", async () => {
    const seen = seenHellos(1);
    await answer((await startHandshake()).hello, { seen });
    await expect(answer((await startHandshake()).hello, { seen })).rejects.toMatchObject({ code: "busy" });
  });

  test("opened by a replayed hello after a restart, has a session that nobody can use", async () => {
    const { hello, edge } = await openPair();
    const record = edge.seal(text("order one pump"));
    const again = await answer(hello);
    expect(again.session.id).not.toBe(edge.id);
    expect(() => again.session.open(record)).toThrow(expect.objectContaining({ code: "bad-record" }));
  });
});

describe("keys of the wrong kind", () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

  test("are refused for signing and for checking", async () => {
    await expect(startHandshake({ signingKey: rsa.privateKey })).rejects.toMatchObject({ code: "bad-key" });
    const { hello } = await startHandshake();
    await expect(answer(hello, { edgeKey: () => rsa.publicKey })).rejects.toMatchObject({ code: "bad-key" });
  });

  test("are refused as the connector's key", async () => {
    const { hello } = await startHandshake();
    const privateKey = new Uint8Array(31);
    await expect(answer(hello, { privateKey })).rejects.toMatchObject({ code: "bad-key" });
    const recipient = `spk1.${Buffer.alloc(1216, 255).toString("base64url")}`;
    await expect(startHandshake({ recipient })).rejects.toMatchObject({ code: "bad-key" });
  });

  test("are refused as the ephemeral key of an enrolled edge", async () => {
    for (const ephemeralKey of [Buffer.alloc(1216), Buffer.alloc(1216, 255)]) {
      const hello = await sealHello((binding) =>
        encodeHello(
          { time: NOW, nonce: Buffer.alloc(32, 7), edge: "e1", connector: "acme.c1", ephemeralKey },
          binding,
          edgeKeys.privateKey,
        ),
      );
      await expect(answer(hello)).rejects.toMatchObject({ code: "bad-key" });
    }
  });
});

describe("the layout inside of a hello", () => {
  const good = encodeHello(
    {
      time: NOW,
      nonce: Buffer.alloc(32, 7),
      edge: "e1",
      connector: "acme.c1",
      ephemeralKey: Buffer.alloc(1216),
    },
    Buffer.alloc(32),
    edgeKeys.privateKey,
  );
  const changed = (at: number, ...bytes: number[]) => {
    const body = Buffer.from(good);
    body.set(bytes, at);
    return body;
  };

  test("is read back as written", () => {
    expect(decodeHello(good)).toMatchObject({ time: NOW, edge: "e1", connector: "acme.c1" });
  });

  test.each([
    ["a time that is none", changed(0, 255)],
    ["an empty name", changed(40, 0)],
    ["a name longer than its field", changed(40, 200)],
    ["something behind a name", changed(50, 1)],
    ["a name that is not UTF-8", changed(41, 0xff)],
    ["another size", good.subarray(1)],
  ])("has no room for %s", async (_, body) => {
    expect(() => decodeHello(body)).toThrow(expect.objectContaining({ code: "malformed" }));
    await expect(answer(await sealHello(() => body))).rejects.toMatchObject({ code: "malformed" });
  });
});

describe("recorded traffic", () => {
  test("stays closed to who later gets the connector's long-term key", async () => {
    const { edge, hello, reply } = await openPair();
    const record = edge.seal(text("order one pump"));
    // The thief opens the hello as the connector did, and has every byte that was on the wire.
    const stolen = await importPrivateKey(connectorKeys.privateKey);
    const sealedAt = 1 + ENCAPSULATION_BYTES;
    const opened = await suite.SetupRecipient(stolen, hello.subarray(1, sealedAt), { info: label("hello") });
    expect(decodeHello(Buffer.from(await opened.Open(hello.subarray(sealedAt)))).edge).toBe("e1");
    const fromHello = await opened.Export(label("hello secret"), 32);
    const transcript = createHash("sha256").update(hello).update(reply.subarray(0, -32)).digest();
    const info = Buffer.concat([label("reply"), createHash("sha256").update(hello).digest()]);
    const guess = await suite.SetupRecipient(stolen, reply.subarray(1, sealedAt), { info });
    // What is missing is the reply's secret: it was encapsulated to the ephemeral key.
    for (const fromReply of [
      await guess.Export(label("reply secret"), 32),
      Buffer.alloc(32),
      fromHello.slice(),
    ]) {
      const secrets = deriveSession({ fromHello: fromHello.slice(), fromReply, transcript });
      expect(secrets.id.toString("base64url")).not.toBe(edge.id);
      // Even told the right session id, the keys are others.
      const thief = new Session({
        secrets: { ...secrets, id: Buffer.from(edge.id, "base64url") },
        peer: "e1",
        sends: "connector to edge",
        receives: "edge to connector",
      });
      expect(() => thief.open(record)).toThrow(expect.objectContaining({ code: "bad-record" }));
    }
  });

  test("follows from the hello's secret, the reply's secret and the transcript, each of them", () => {
    const parts = () => ({
      fromHello: Buffer.alloc(32, 1),
      fromReply: Buffer.alloc(32, 2),
      transcript: Buffer.alloc(32, 3),
    });
    const other = Buffer.alloc(32, 9);
    const ids = [
      parts(),
      { ...parts(), fromHello: Buffer.from(other) },
      { ...parts(), fromReply: Buffer.from(other) },
      { ...parts(), transcript: Buffer.from(other) },
    ].map((secrets) => deriveSession(secrets).ratchet["edge to connector"].toString("hex"));
    expect(new Set(ids).size).toBe(4);
  });
});

/** A hello with a body of one's own choice, sealed to the connector as it should be. */
async function sealHello(body: (binding: Uint8Array) => Uint8Array): Promise<Uint8Array> {
  const recipient = await importPublicKey(parsePublicKey(connectorKeys.publicKey).bytes);
  const { encapsulatedSecret, ctx } = await suite.SetupSender(recipient, { info: label("hello") });
  const sealed = await ctx.Seal(body(await ctx.Export(label("hello binding"), 32)));
  return Buffer.concat([Uint8Array.of(1), encapsulatedSecret, sealed]);
}
