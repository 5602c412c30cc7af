import { once } from "node:events";
import { afterEach, describe, expect, test, vi } from "vitest";
import { ask, httpServer, type LocalServer } from "./local-server.ts";
import { Pools, type PoolsOptions } from "./pools.ts";
import { parseTarget } from "./route.ts";
import { asEgressError } from "./upstream.ts";

const OPTIONS: PoolsOptions = {
  most: 8,
  idleMs: 60_000,
  resolver: () => Promise.reject(new Error("nothing to look up")),
  limits: {
    connections: 4,
    connectTimeoutMs: 5_000,
    headersTimeoutMs: 5_000,
    maxHeaderBytes: 16 * 1024,
    keepAliveMs: 60_000,
  },
};
const made: Pools[] = [];
afterEach(async () => {
  await Promise.all(made.splice(0).map((pools) => pools.close()));
});

function pools(options: Partial<PoolsOptions> = {}): Pools {
  const pools = new Pools({ ...OPTIONS, ...options });
  made.push(pools);
  return pools;
}

const portOf = (server: LocalServer) => parseTarget(`http://127.0.0.1:${server.port}/mcp`);
/** Answers with the port that the request came from: which socket it was. */
const echo = () => httpServer((request, response) => response.end(String(request.socket.remotePort)));

describe("pools", () => {
  test("never let two partitions share a socket, and let one partition keep its own", async () => {
    await using server = await echo();
    const all = pools();
    const seen = new Map<string, Set<string>>();
    for (let round = 0; round < 5; round++) {
      for (const partition of ["orders/alice", "orders/bob"]) {
        const { body } = await ask(all.upstream(portOf(server), { partition }));
        seen.set(partition, (seen.get(partition) ?? new Set()).add(body));
      }
    }
    const [alice, bob] = [...seen.values()].map((ports) => [...ports]);
    expect(alice).toHaveLength(1);
    expect(bob).toHaveLength(1);
    expect(alice).not.toEqual(bob);
  });

  test("keep apart what has another authority to trust, whatever the partition is called", () => {
    const all = pools();
    const target = parseTarget("https://127.0.0.1:1/");
    const one = all.upstream(target, { partition: "a" });
    expect(all.upstream(target, { partition: "a" })).toBe(one);
    expect(all.upstream(target, { partition: "a", tls: { ca: "other" } })).not.toBe(one);
    expect(all.upstream(parseTarget("https://127.0.0.1:2/"), { partition: "a" })).not.toBe(one);
    expect(all.upstream(target, { partition: 'a",null]' })).not.toBe(one);
    expect(all.size).toBe(4);
  });

  test("close what was idle for long, with its sockets", async () => {
    await using server = await echo();
    const all = pools({ idleMs: 20 });
    await ask(all.upstream(portOf(server), { partition: "a" }));
    await vi.waitFor(() => expect(all.size).toBe(0), { timeout: 5_000 });
    await vi.waitFor(() => expect(server.sockets[0]?.destroyed).toBe(true), { timeout: 5_000 });
    expect((await ask(all.upstream(portOf(server), { partition: "a" }))).status).toBe(200);
  });

  test("do not close what still streams", async () => {
    let finish: (() => void) | undefined;
    await using server = await httpServer((_request, response) => {
      response.write("data: 1\n\n");
      finish = () => response.end("data: 2\n\n");
    });
    const all = pools({ idleMs: 20 });
    const stream = ask(all.upstream(portOf(server), { partition: "a" }));
    all.upstream(parseTarget("http://127.0.0.1:1/"), { partition: "swept" });
    await vi.waitFor(() => expect(all.size).toBe(1), { timeout: 5_000 }); // a sweep has passed
    await vi.waitFor(() => expect(finish).toBeDefined());
    finish?.();
    expect((await stream).body).toBe("data: 1\n\ndata: 2\n\n");
  });

  test("close the longest idle one to make room, and refuse when none is idle", async () => {
    await using server = await httpServer(() => {}); // never answers
    const all = pools({ most: 2 });
    const target = portOf(server);
    const first = all.upstream(target, { partition: "first" });
    all.upstream(target, { partition: "second" });
    all.upstream(target, { partition: "third" });
    expect(all.size).toBe(2);
    expect(all.upstream(target, { partition: "first" })).not.toBe(first);

    const waiting = ["first", "third"].map((partition) =>
      ask(all.upstream(target, { partition })).catch((error: unknown) => asEgressError(error).code),
    );
    expect(() => all.upstream(target, { partition: "fourth" })).toThrow(
      expect.objectContaining({ name: "EgressError", code: "exhausted" }),
    );
    await all.drop("first");
    await all.drop("third");
    expect(await Promise.all(waiting)).toEqual(["connect", "connect"]);
  });

  test("drop a revoked partition at once, in the middle of an answer, and no other", async () => {
    await using server = await httpServer((_request, response) => void response.write("data: 1\n\n"));
    const all = pools();
    const target = portOf(server);
    const revoked = ask(all.upstream(target, { partition: "revoked" })).catch((error: unknown) =>
      asEgressError(error),
    );
    const kept = ask(all.upstream(target, { partition: "kept" })).catch((error: unknown) =>
      asEgressError(error),
    );
    await vi.waitFor(() => expect(server.sockets).toHaveLength(2));
    const [one, other] = server.sockets;
    const closed = Promise.race([one, other].map((socket) => socket && once(socket, "close")));
    await all.drop("revoked");
    expect(await revoked).toMatchObject({ code: "connect" });
    await closed;
    expect([one, other].filter((socket) => socket?.destroyed)).toHaveLength(1);
    expect(all.size).toBe(1);
    await all.drop("kept");
    await kept;
  });
});
