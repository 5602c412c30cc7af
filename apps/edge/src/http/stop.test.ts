import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { ask, call } from "./front.fixture.ts";
import type { HttpCall } from "./http-call.ts";
import { listen } from "./listen.ts";
import { send } from "./reply-writer.ts";

/** A front whose calls are answered when the test says so. */
async function front(drain: number) {
  const calls: HttpCall[] = [];
  const arrived: (() => void)[] = [];
  const { port, close } = await listen({
    ...{
      host: "127.0.0.1",
      port: 0,
      tls: undefined,
      publicUrl: "https://edge.test",
      issuer: "https://issuer.test",
    },
    limits: { body: 1000, connections: 10, request: 30_000, drain },
    call: async (call) => {
      calls.push(call);
      for (const tell of arrived.splice(0)) tell();
    },
  });
  const next = () => new Promise<void>((resolve) => arrived.push(resolve));
  const answer = (at: number) =>
    send(calls[at]?.response as HttpCall["response"], { status: 200, headers: {}, body: "{}" });
  return { port, close, next, answer };
}

describe("an edge that stops", () => {
  it("takes no new connection, and lets a call in progress end", async () => {
    const { port, close, next, answer } = await front(20_000);
    const came = next();
    const asked = ask(port, {});
    await came;
    const closed = close();
    await expect(ask(port, {})).rejects.toThrow("ECONNREFUSED");
    answer(0);
    expect((await asked).status).toBe(200);
    await closed;
  });

  it("refuses a request that was still arriving, and says when to try again", async () => {
    const { port, close, next, answer } = await front(20_000);
    const late = connect(port, "127.0.0.1");
    const received = late.setEncoding("utf8").toArray();
    late.write(`POST /mcp/orders HTTP/1.1\r\nhost: edge.test\r\ncontent-length: ${call().length}\r\n\r\n`);
    const came = next();
    const other = ask(port, {});
    await came;
    const closed = close();
    late.write(call());
    const text = (await received).join("");
    expect(text).toMatch(/^HTTP\/1.1 503 /);
    expect(text).toMatch(/retry-after: 1\r\nconnection: close\r\n/);
    expect(text).toContain("this edge is shutting down; try again");
    answer(0);
    expect((await other).status).toBe(200);
    await closed;
  });

  it("cuts a call that does not end in time, and does not wait for streams", async () => {
    const { port, close, next } = await front(100);
    let came = next();
    const hung = expect(ask(port, {})).rejects.toThrow();
    await came;
    await close();
    await hung;
    for (const one of [{ method: "GET" }, { headers: [["mcp-method", "subscriptions/listen"]] as const }]) {
      const patient = await front(600_000);
      came = patient.next();
      const cut = expect(ask(patient.port, one)).rejects.toThrow();
      await came;
      await patient.close();
      await cut;
    }
  });
});
