import { headers } from "@nats-io/nats-core";
import { request as contract, ServiceError } from "@sallyport/contracts";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { broker, connector, startTestNats, type TestNats } from "./bus.fixture.ts";
import type { Bus } from "./connect.ts";
import { request } from "./request.ts";
import { type Closable, type ServeOptions, serve } from "./serve.ts";

const double = contract({
  subject: "broker.v1.{connector}.double",
  input: z.object({ n: z.number().max(1000) }),
  output: z.object({ twice: z.number() }),
  errors: ["invalid", "denied", "exhausted", "unavailable"],
  servedBy: "broker",
  calledBy: ["connector"],
});
const subject = "broker.v1.c1.double";

afterAll(leakCheck);
let nats: TestNats;
let caller: Bus;
let server: Bus;
const serving: Closable[] = [];
beforeAll(async () => {
  nats = await startTestNats();
  [caller, server] = await Promise.all([nats.join(connector), nats.join(broker)]);
});
afterEach(async () => {
  await Promise.all(serving.splice(0).map((one) => one.close()));
});
afterAll(() => nats.stop());

type Handle = Parameters<
  typeof serve<"broker.v1.{connector}.double", typeof double.input, typeof double.output>
>[2];

async function serveIt(handler: Handle, options?: ServeOptions): Promise<Closable> {
  const served = serve(server, double, handler, options);
  serving.push(served);
  await server.nats.flush();
  return served;
}

const ask = (n: unknown, timeoutMs = 5_000) =>
  request(caller, double, { params: { connector: "c1" }, input: { n } as { n: number }, timeoutMs });

/** The raw answer to raw bytes. */
async function askRaw(bytes: string | Uint8Array, options: object = {}): Promise<unknown> {
  const reply = await caller.nats.request(subject, bytes, { timeout: 5_000, ...options });
  return JSON.parse(reply.string());
}

const twice: Handle = async ({ n }) => ({ twice: 2 * n });

describe("a served contract", () => {
  it("answers, and tells its handler who asks as the subject names it", async () => {
    let who: unknown;
    await serveIt(async ({ n }, { params }) => {
      who = params;
      return { twice: 2 * n };
    });
    expect(await ask(21)).toEqual({ twice: 42 });
    expect(who).toEqual({ connector: "c1" });
  });

  it("answers each request once, however many instances serve it", async () => {
    const other = await nats.join({ zone: "broker", instance: "b2" });
    const counts = [0, 0];
    await serveIt(async ({ n }) => {
      counts[0] = (counts[0] ?? 0) + 1;
      return { twice: 2 * n };
    });
    serving.push(
      serve(other, double, async ({ n }) => {
        counts[1] = (counts[1] ?? 0) + 1;
        return { twice: 2 * n };
      }),
    );
    await other.nats.flush();
    await Promise.all(Array.from({ length: 50 }, (_, n) => ask(n)));
    expect((counts[0] ?? 0) + (counts[1] ?? 0)).toBe(50);
  });

  it("passes an error of its contract on, without its detail", async () => {
    await serveIt(async () => {
      throw new ServiceError("denied", "not you", { detail: "rule 7 of the secret list" });
    });
    await expect(ask(1)).rejects.toMatchObject({ code: "denied", message: "not you" });
    expect(JSON.stringify(await askRaw('{"n":1}'))).not.toContain("secret list");
  });

  it.each([
    ["an error that the contract does not know", new ServiceError("conflict", "row 17 of table users")],
    ["a surprise", new TypeError("cannot read password of undefined")],
    ["something that is no error", "password=hunter2"],
  ])("says only that it failed, for %s", async (_what, thrown) => {
    await serveIt(async () => {
      throw thrown;
    });
    const text = JSON.stringify(await askRaw('{"n":1}'));
    expect(JSON.parse(text)).toMatchObject({ error: { code: "internal" } });
    expect(text).not.toMatch(/row 17|password/);
    await expect(ask(1)).rejects.toMatchObject({ name: "ServiceError", code: "internal" });
  });

  it.each([
    ["no JSON", "{"],
    ["nothing", ""],
    ["bytes that are no UTF-8", Buffer.of(0x22, 0xff, 0x22)],
    ["JSON of another shape", "[]"],
    ["a field of the wrong type", '{"n":"1"}'],
    ["a field out of bounds", '{"n":1001}'],
    ["no field at all", "{}"],
  ])("refuses %s as invalid and does not call its handler", async (_what, bytes) => {
    let called = false;
    await serveIt(async () => {
      called = true;
      return { twice: 0 };
    });
    expect(await askRaw(bytes)).toMatchObject({ error: { code: "invalid" } });
    expect(called).toBe(false);
  });

  it("ignores keys that it does not know: versions roll", async () => {
    let input: unknown;
    await serveIt(async (given) => {
      input = given;
      return { twice: 1 };
    });
    expect(await askRaw('{"n":1,"later":true,"__proto__":{"n":2}}')).toEqual({ ok: { twice: 1 } });
    expect(input).toEqual({ n: 1 });
  });

  it("refuses a message over its size before it is parsed", async () => {
    await serveIt(twice, { maxRequestBytes: 100 });
    const padded = (bytes: number) => `{"n":1}${" ".repeat(bytes - 7)}`;
    expect(await askRaw(padded(100))).toEqual({ ok: { twice: 2 } });
    const refused = await askRaw(padded(101));
    expect(refused).toMatchObject({
      error: { code: "invalid", message: expect.stringMatching(/101 bytes/) },
    });
  });

  it("answers exhausted when too much is in progress, and serves again afterwards", async () => {
    const gate = Promise.withResolvers<void>();
    let started = 0;
    await serveIt(
      async ({ n }) => {
        started += 1;
        await gate.promise;
        return { twice: 2 * n };
      },
      { maxInFlight: 2 },
    );
    const held = [ask(1), ask(2)];
    await until("two in progress", () => started === 2, { within: 5_000 });
    await expect(ask(3)).rejects.toMatchObject({ code: "exhausted", retryable: true });
    gate.resolve();
    expect(await Promise.all(held)).toEqual([{ twice: 2 }, { twice: 4 }]);
    expect(await ask(4)).toEqual({ twice: 8 });
  });

  it.each([
    ["another connector's inbox", "_INBOX.connector.c2.x"],
    ["an inbox of another zone", "_INBOX.broker.b1.x"],
    ["an inbox that only begins like the caller's", "_INBOX.connector.c11.x"],
    ["a bucket's key", "$KV.revocations.x"],
    ["another service", "broker.v1.c2.double"],
  ])("does not answer to %s", async (_what, place) => {
    let called = 0;
    await serveIt(async () => {
      called += 1;
      return { twice: 1 };
    });
    const stolen: string[] = [];
    const trap = server.nats.subscribe(place, {
      callback: (_error, message) => void stolen.push(message.string()),
    });
    await server.nats.flush();
    caller.nats.publish(subject, '{"n":1}', { reply: place });
    await ask(1); // the server takes requests in order: this one was behind the other
    await server.nats.flush();
    expect(stolen).toEqual([]);
    expect(called).toBe(1);
    trap.unsubscribe();
  });

  it("never acts upon headers of a caller, and gives none back", async () => {
    await serveIt(twice);
    const given = headers(503, "No Responders");
    const names = [
      "Nats-Msg-Id",
      "Nats-Rollup",
      "Nats-Expected-Stream",
      "Nats-TTL",
      "Nats-Service-Error-Code",
    ];
    for (const name of names) given.set(name, "all");
    const reply = await caller.nats.request(subject, '{"n":1}', { timeout: 5_000, headers: given });
    expect(JSON.parse(reply.string())).toEqual({ ok: { twice: 2 } });
    expect(reply.headers).toBeUndefined();
  });

  it("finishes what is in progress when it closes, and takes nothing new", async () => {
    const gate = Promise.withResolvers<void>();
    let started = false;
    const served = await serveIt(async ({ n }) => {
      started = true;
      await gate.promise;
      return { twice: 2 * n };
    });
    const held = ask(5);
    await until("it in progress", () => started, { within: 5_000 });
    const closing = served.close();
    await server.nats.flush();
    await expect(ask(6)).rejects.toMatchObject({ code: "unavailable" });
    gate.resolve();
    expect(await held).toEqual({ twice: 10 });
    await closing;
  });
});

describe("a request", () => {
  it("is unavailable at once when nobody serves it", async () => {
    const asked = performance.now();
    await expect(ask(1, 10_000)).rejects.toMatchObject({
      code: "unavailable",
      retryable: true,
      // An agent may read it: no subject of ours.
      message: expect.stringMatching(/^the \w+: nobody serves this now$/),
    });
    expect(performance.now() - asked).toBeLessThan(5_000);
  });

  it("that comes while its server closes is answered, or refused at once", async () => {
    const outcomes: unknown[] = [];
    for (let round = 0; round < 50; round += 1) {
      const served = await serveIt(twice);
      const asked = ask(1, 10_000).then(
        () => "answered",
        (error: ServiceError) => error.code,
      );
      await Promise.all([served.close(), asked.then((outcome) => outcomes.push(outcome))]);
      outcomes.push(await ask(1, 10_000).catch((error: ServiceError) => error.code));
    }
    expect(outcomes.filter((one) => one !== "answered" && one !== "unavailable")).toEqual([]);
  });

  it("ends with timeout when nobody answers", async () => {
    const gate = Promise.withResolvers<{ twice: number }>();
    await serveIt(() => gate.promise);
    await expect(ask(1, 50)).rejects.toMatchObject({ code: "timeout" });
    gate.resolve({ twice: 1 });
  });

  it.each([
    ["another shape", '{"ok":{"twice":"x"}}'],
    ["no JSON", "oops"],
    ["neither answer nor error", "{}"],
    ["an error code that nobody knows", '{"error":{"code":"rm -rf","message":"x"}}'],
    ["a message without bound", JSON.stringify({ error: { code: "denied", message: "x".repeat(3000) } })],
    ["a megabyte and more", `{"ok":{"twice":1}}${" ".repeat(1024 * 1024 - 18)}`.slice(0, 1024 * 1024)],
  ])("throws a ServiceError or the answer for %s", async (what, text) => {
    const rude = server.nats.subscribe(subject, {
      callback: (_error, message) => void message.respond(text),
    });
    await server.nats.flush();
    const outcome = ask(1);
    if (what === "a megabyte and more") expect(await outcome).toEqual({ twice: 1 });
    else await expect(outcome).rejects.toMatchObject({ name: "ServiceError" });
    rude.unsubscribe();
    await server.nats.flush();
  });

  it("does not leave for a subject that is not one", async () => {
    for (const name of ["*", ">", "a.b", "", "a b", "a\r\nPUB x 0\r\n"]) {
      await expect(
        request(caller, double, { params: { connector: name }, input: { n: 1 }, timeoutMs: 50 }),
      ).rejects.toThrow();
    }
  });
});
