import { readFileSync } from "node:fs";
import type { Incoming } from "@sallyport/bus";
import type { ServiceError } from "@sallyport/contracts";
import { Leases, Reply, type Upstream } from "@sallyport/gate";
import { describe, expect, it } from "vitest";
import {
  alive,
  answered,
  ask,
  begin,
  call,
  eventually,
  initialize,
  leaseOf,
  modern,
  modernHeaders,
  recordingDeps,
  textOf,
} from "./stdio.fixture.ts";
import { upstreams } from "./upstreams.fixture.ts";

const { scripts, started } = upstreams();

const secret = "pw-9fKq2ZtXw7Lm";

const telling = `
console.error("connecting as " + process.env.DB_PASSWORD);
serve((m) => {
  if (m.method === "initialize") return hello(m.id);
  if (m.params?.name === "env") return text(m.id, JSON.stringify(process.env));
  if (m.params?.name === "pid") return text(m.id, process.pid);
  if (m.params?.name === "crash") { console.error("bad password " + process.env.DB_PASSWORD); process.exit(1); }
});`;

function credentialed(name: string, { code = telling, limits = {}, deps = recordingDeps() } = {}): Upstream {
  const server = {
    ...scripts.server(name, code),
    env: { MODE: "read", DB_USER: "overridden", SALLYPORT_CHILD: "forged" },
    credential: {
      name: "database",
      place: {
        in: "env" as const,
        variables: { DB_USER: "username" as const, DB_PASSWORD: "password" as const },
      },
    },
  };
  return started(name, server, { limits, deps });
}

describe("a server's environment", () => {
  it("holds what the configuration and the lease say, a path, a marker, and nothing of the connector's", async () => {
    const upstream = credentialed("environment");
    const session = await begin(upstream, { lease: leaseOf(secret) });
    const env = JSON.parse(textOf(await answered(upstream, call(1, "env"), { session }))) as Record<
      string,
      string
    >;
    expect(env).toEqual({
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      MODE: "read",
      DB_USER: "v-user-1",
      DB_PASSWORD: secret,
      SALLYPORT_CHILD: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  it("is the only place of the credential: no command line and no environment of the connector or its watcher", async () => {
    const upstream = credentialed("places");
    const session = await begin(upstream, { lease: leaseOf(secret) });
    const server = textOf(await answered(upstream, call(1, "pid"), { session }));
    const read = (pid: number | string, file: string) => readFileSync(`/proc/${pid}/${file}`, "utf8");
    const children = read("self", `task/${process.pid}/children`).trim().split(" ");
    expect(children).toContain(server);
    expect(children.length).toBeGreaterThan(1);
    for (const pid of [process.pid, ...children]) expect(read(pid, "cmdline")).not.toContain(secret);
    for (const pid of [process.pid, ...children.filter((pid) => pid !== server)])
      expect(read(pid, "environ")).not.toContain(secret);
    expect(read(server, "environ")).toContain(secret);
  });

  it("is not made without the credential, or with one that does not fit: nothing is started", () => {
    const deps = recordingDeps();
    const upstream = credentialed("without", { deps });
    const { reply } = ask(upstream, initialize());
    expect(reply.failures).toMatchObject([
      { error: { code: "unavailable", message: "without needs a credential to be started" }, reached: false },
    ]);
    const bad = ask(upstream, initialize(), { lease: leaseOf(`${secret}\0x`) });
    expect(bad.reply.failures).toMatchObject([{ error: { code: "unavailable" }, reached: false }]);
    expect(JSON.stringify([bad.reply.failures[0], bad.reply.failures[0]?.error.detail])).not.toContain(
      secret,
    );
    expect(deps.pinned).toEqual([]);
  });
});

describe("what a server says of its credential", () => {
  it("is scrubbed from its standard error, the log and its last words", async () => {
    const deps = recordingDeps();
    const upstream = credentialed("leaking", { deps });
    const session = await begin(upstream, { lease: leaseOf(secret) });
    const { reply } = ask(upstream, call(1, "crash"), { session });
    await eventually("its end", () => reply.over);
    const error = reply.failures[0]?.error as ServiceError;
    expect(error.detail).toContain(
      "it wrote last: connecting as [redacted:database] | bad password [redacted:database]",
    );
    expect(deps.logged.map(({ fields }) => fields)).toContainEqual({
      server: "leaking",
      line: "connecting as [redacted:database]",
    });
    expect(
      JSON.stringify(deps.logged) +
        deps.logged.map(({ fields }) => String((fields as { err?: ServiceError }).err?.detail)).join(),
    ).not.toContain(secret);
  });

  it("is scrubbed from every reply, also of calls that bring no lease, on both wires", async () => {
    const upstream = credentialed("echoing");
    const lease = leaseOf(secret);
    const session = await begin(upstream, { lease });
    expect(upstream.needsLease({ session, principal: "agent-1" })).toBe(false);
    expect(await throughReply(upstream, { session, message: call(2, "env") })).toContain(
      "[redacted:database]",
    );

    const message = modern(1, "tools/call", { name: "env", arguments: {} });
    const headers = modernHeaders("tools/call", "env");
    const first = ask(upstream, message, { lease, headers });
    await eventually("the answer", () => first.reply.over);
    expect(await throughReply(upstream, { session: undefined, message, headers })).toContain(
      "[redacted:database]",
    );
  });

  /** A call as the gate relays it when it holds no lease for it. */
  async function throughReply(
    upstream: Upstream,
    of: {
      session: string | undefined;
      message: unknown;
      headers?: [string, string][] | readonly (readonly [string, string])[];
    },
  ): Promise<string> {
    let body = "";
    let over = false;
    const exchange = {
      reply: () => undefined,
      write: (chunk: Uint8Array) => {
        body += Buffer.from(chunk).toString();
        return true;
      },
      end: () => undefined,
      fail: () => undefined,
    } as unknown as Incoming;
    const reply = new Reply({
      exchange,
      scrubber: upstream.scrubber?.(of.session, "agent-1"),
      visible: undefined,
      sessionName: (name) => name,
      resume: () => undefined,
      abandon: () => undefined,
      failure: () => {
        throw new Error("it failed");
      },
      finished: () => {
        over = true;
      },
    });
    const raw = Buffer.from(JSON.stringify(of.message));
    const message = of.message as { id: number; method: string; params: Record<string, unknown> };
    upstream.send(
      {
        method: "POST",
        headers: (of.headers ?? []) as [string, string][],
        body: raw,
        session: of.session,
        leaseSession: "lease-session",
        messages: [{ kind: "request", ...message }],
        principal: "agent-1",
        lease: undefined,
        credential: () => Promise.reject(new Error("it leases nothing by itself")),
        work: undefined,
        ask: () => Promise.reject(new Error("it asks nothing")),
        who: { agent: "a", user: undefined, grant: "g" },
        trace: undefined,
      },
      reply,
    );
    await eventually("the reply", () => over);
    expect(body).not.toContain(secret);
    return body;
  }
});

describe("a lease", () => {
  it("is needed to begin a session and for an agent's first call without one, not for later ones", async () => {
    const upstream = credentialed("needing");
    const ask1 = { session: undefined, principal: "agent-1" };
    const init = [{ kind: "request", id: 0, method: "initialize", params: {} } as const];
    const list = [{ kind: "request", id: 0, method: "tools/list", params: {} } as const];
    expect(upstream.needsLease({ ...ask1, messages: list })).toBe(true);
    const { reply } = ask(upstream, modern(1, "tools/call", { name: "pid", arguments: {} }), {
      headers: modernHeaders("tools/call", "pid"),
      lease: leaseOf(secret),
    });
    await eventually("the answer", () => reply.over);
    expect(upstream.needsLease({ ...ask1, messages: list })).toBe(false);
    expect(upstream.needsLease({ ...ask1, messages: init })).toBe(true);
    expect(upstream.needsLease({ ...ask1, principal: "agent-2", messages: list })).toBe(true);
    expect(upstream.needsLease(ask1)).toBe(true);
    expect(upstream.needsLease({ session: "gone", principal: "agent-1" })).toBe(false);
  });

  it("is pinned when a process starts on it and given back when it ends, in order or not", async () => {
    const deps = recordingDeps();
    const upstream = credentialed("pinning", { deps });
    const sessions = ["a", "b"].map((session) => leaseOf(secret, { session }));
    const [a, b] = await Promise.all(sessions.map((lease) => begin(upstream, { lease })));
    expect(deps.pinned).toEqual(["a", "b"]);
    expect(deps.ended).toEqual([]);
    ask(upstream, undefined, { method: "DELETE", session: a });
    await eventually("its lease", () => deps.ended.includes("a"));
    ask(upstream, call(1, "crash"), { session: b });
    await eventually("its lease", () => deps.ended.includes("b"));
    expect(deps.ended).toEqual(["a", "b"]);
  });

  it("that a process runs on is not idle for the leases, and is released at the broker when it ends", async () => {
    const released: string[] = [];
    let now = Date.now();
    const lease = leaseOf(secret);
    const source = {
      lease: async () => lease,
      release: async (session: string) => void released.push(session),
      claim: async () => 30_000,
    };
    const leases = new Leases(source, () => now);
    const upstream = credentialed("released", { deps: { ...recordingDeps(), leases: leases as never } });
    const grant = { facts: { server: "released" } } as never;
    const used = await leases.use({
      grant,
      credential: "database",
      session: lease.session,
      traceparent: undefined,
    });
    const session = await begin(upstream, { lease: used.lease });
    used.done();
    now += 20 * 60_000;
    await leases.sweep();
    expect(released).toEqual([]);
    ask(upstream, undefined, { method: "DELETE", session });
    expect(released).toEqual(["lease-session"]);
  });

  it("that ends takes its process with it before: calls in flight may finish, new ones find no session", async () => {
    const deps = recordingDeps();
    const upstream = credentialed("expiring", {
      deps,
      limits: { retireBeforeMs: 2_000, stopBeforeMs: 1_000 },
    });
    const lease = leaseOf(secret, { expiresAt: Date.now() + 4_000 });
    const session = await begin(upstream, { lease });
    const pid = Number(textOf(await answered(upstream, call(1, "pid"), { session })));
    const waiting = ask(upstream, call(2, "never"), { session });
    await eventually(
      "its retirement",
      () => ask(upstream, call(`${Math.random()}`, "pid"), { session }).reply.status === 404,
    );
    expect([waiting.reply.over, alive(pid), deps.ended]).toEqual([false, true, []]);
    await eventually("the end", () => waiting.reply.over);
    expect(Date.now()).toBeLessThan(lease.expiresAt);
    expect(waiting.reply.failures).toMatchObject([
      { error: { code: "unavailable", message: "expiring: the session's credential has ended" } },
    ]);
    expect(deps.ended).toEqual(["lease-session"]);
    await eventually("the process ending", () => !alive(pid));
  });

  it("of a newer process is left alone when an older one on the same session ends", async () => {
    const deps = recordingDeps();
    const upstream = credentialed("following", { deps });
    const pid = (lease: ReturnType<typeof leaseOf>) =>
      answered(upstream, modern(1, "tools/call", { name: "pid", arguments: {} }), {
        headers: modernHeaders("tools/call", "pid"),
        lease,
      });
    const first = textOf(await pid(leaseOf(secret, { id: "one" })));
    const second = textOf(await pid(leaseOf(`${secret}-2`, { id: "two" })));
    expect(second).not.toBe(first);
    await eventually("the first one's end", () => !alive(Number(first)));
    expect([alive(Number(second)), deps.pinned.length, deps.ended]).toEqual([true, 2, []]);
    await upstream.close();
    expect(deps.ended).toEqual(["lease-session"]);
  });
});
