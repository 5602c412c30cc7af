import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Upstream } from "@sallyport/gate";
import { describe, expect, it } from "vitest";
import {
  alive,
  answered,
  ask,
  begin,
  call,
  config,
  eventually,
  initialize,
  recordingDeps,
  textOf,
} from "./stdio.fixture.ts";
import { stdioUpstream } from "./stdio.ts";
import { upstreams } from "./upstreams.fixture.ts";

const { scripts, scripted } = upstreams();

const simple = `
serve((m) => {
  if (m.method === "initialize") return hello(m.id);
  if (m.params?.name === "pid") return text(m.id, process.pid);
  if (m.params?.name === "crash") process.exit(7);
  if (m.params?.name === "kill") process.kill(process.pid, "SIGKILL");
  if (m.params?.name === "line") return process.stdout.write("x".repeat(m.params.arguments.bytes));
});`;

/**
 * Leaves four behind: one of its group; one of a session of its own; one forked twice, in a session of its own, that has
 * lost its parent; one of a group of its own that has cleared its environment.
 */
const leaving = `
import { spawn } from "node:child_process";
const quiet = { stdio: "ignore" };
const wait = "setInterval(() => {}, 1000); process.on('SIGTERM', () => {}); process.on('SIGHUP', () => {});";
const same = spawn(process.execPath, ["-e", wait], quiet);
const apart = spawn(process.execPath, ["-e", wait], { ...quiet, detached: true });
const daemon = spawn("/bin/sh", ["-c", 'setsid sh -c "sleep 600 & echo \\\\$!" & wait'], { stdio: ["ignore", "pipe", "ignore"], detached: true });
let twice; daemon.stdout.on("data", (d) => { twice = Number(d); });
const job = spawn("/bin/bash", ["-c", 'set -m; env -i /bin/sleep 600 & echo \\$!; wait'], { stdio: ["ignore", "pipe", "ignore"] });
let cleared; job.stdout.on("data", (d) => { cleared = Number(d); });
process.on("SIGTERM", () => {});
serve((m) => {
  if (m.method === "initialize") return hello(m.id);
  if (m.params?.name === "left") { const tell = () => twice && cleared ? text(m.id, JSON.stringify([process.pid, same.pid, apart.pid, twice, cleared])) : setTimeout(tell, 10); tell(); }
  if (m.params?.name === "crash") process.exit(7);
});`;

async function leftBehind(upstream: Upstream, session: string): Promise<number[]> {
  const pids = JSON.parse(textOf(await answered(upstream, call(1, "left"), { session }))) as number[];
  expect(pids.map(alive)).toEqual([true, true, true, true, true]);
  return pids;
}

describe("a server that cannot be started", () => {
  it("is a problem from the beginning when its command is not found, and no longer once it is", async () => {
    const path = scripts.path("later");
    const upstream = stdioUpstream("later", config({ command: path }), recordingDeps());
    expect(upstream.problem()).toBe(`later: the command ${path} is not found, or may not be run`);
    const { reply } = ask(upstream, initialize());
    await eventually("the failure", () => reply.over);
    expect(reply.failures).toMatchObject([
      { error: { code: "unavailable", message: "later could not be started (ENOENT)" }, reached: false },
    ]);
    writeFileSync(path, "#!/bin/sh\n", { mode: 0o755 });
    expect(upstream.problem()).toContain("could not be started (ENOENT); it is not started again for");
    await eventually("the end of the back-off", () => upstream.problem() === undefined);
    const onPath = (command: string) => stdioUpstream("x", config({ command }), recordingDeps()).problem();
    expect(onPath("no-such-command")).toContain("not found");
    expect(onPath("sh")).toBeUndefined();
  });

  it("fails the call once with its exit code and last words, then backs off longer and longer", async () => {
    const deps = recordingDeps();
    const upstream = scripted("broken", 'console.error("no database"); process.exit(3);', {
      deps,
      limits: { firstBackoffMs: 300, mostBackoffMs: 600 },
    });
    const waits: number[] = [];
    for (let start = 0; start < 3; start += 1) {
      const { reply } = ask(upstream, initialize());
      await eventually("the failure", () => reply.over);
      expect(reply.failures.length).toBe(1);
      expect(reply.failures[0]?.error).toMatchObject({
        code: "unavailable",
        message: "broken exited with code 3",
        detail: "exited with code 3; it wrote last: no database",
      });
      expect(upstream.problem()).toMatch(/^broken exited with code 3; it is not started again for 1 s$/);
      const fast = ask(upstream, initialize()).reply;
      expect(fast.failures).toMatchObject([
        { error: { code: "unavailable", retryable: true }, reached: false },
      ]);
      const failed = performance.now();
      await eventually("the end of the back-off", () => upstream.problem() === undefined);
      waits.push(performance.now() - failed);
    }
    expect(waits[0]).toBeLessThan(420);
    expect(waits[1]).toBeGreaterThan(450);
    expect(waits[2]).toBeLessThan(720);
  });

  it("is ended when it does not answer initialize in time", async () => {
    const upstream = scripted("mute", "serve(() => {});", { limits: { startMs: 300 } });
    const { reply } = ask(upstream, initialize());
    await eventually("the failure", () => reply.over);
    expect(reply.failures).toMatchObject([{ error: { code: "timeout" }, reached: true }]);
    expect(upstream.problem()).toContain("did not answer initialize in time");
  });
});

describe("a server that ends in the middle of calls", () => {
  it("fails each of them once, as reached; its session is 404, and only this agent waits", async () => {
    const upstream = scripted("crashing", simple);
    const session = await begin(upstream);
    const stream = ask(upstream, undefined, { method: "GET", session });
    const calls = [call(1, "never"), call(2, "never"), call(3, "crash")].map((one) =>
      ask(upstream, one, { session }),
    );
    await eventually("their end", () => calls.every(({ reply }) => reply.over));
    for (const { reply } of calls) {
      expect(reply.failures).toMatchObject([
        { error: { code: "unavailable", message: "crashing exited with code 7" }, reached: true },
      ]);
    }
    expect(stream.reply.ended).toBe(true);
    expect(ask(upstream, call(4, "pid"), { session }).reply.status).toBe(404);
    expect(upstream.problem()).toBeUndefined();
    expect(ask(upstream, initialize()).reply.failures).toMatchObject([
      { error: { code: "unavailable" }, reached: false },
    ]);
    await begin(upstream, { principal: "agent-2" });
  });

  it("touches no other session and no other server", async () => {
    const [one, other] = [scripted("one", simple), scripted("other", simple)];
    const sessions = [
      await begin(one),
      await begin(one, { principal: "agent-2" }),
      await begin(other),
    ] as const;
    const dying = ask(one, call(1, "kill"), { session: sessions[0] });
    await eventually("its end", () => dying.reply.over);
    expect(dying.reply.failures[0]?.error.message).toBe("one was ended by SIGKILL");
    expect(textOf(await answered(one, call(1, "pid"), { session: sessions[1] }))).toMatch(/^\d+$/);
    expect(textOf(await answered(other, call(1, "pid"), { session: sessions[2] }))).toMatch(/^\d+$/);
    expect(other.problem()).toBeUndefined();
  });

  it("because a message of it is too long: it is killed, and no more of it is kept", async () => {
    const upstream = scripted("flooding", simple);
    const session = await begin(upstream);
    const pid = Number(textOf(await answered(upstream, call(1, "pid"), { session })));
    const before = process.memoryUsage().arrayBuffers;
    const { reply } = ask(upstream, call(2, "line", { args: { bytes: 64 * 1024 * 1024 } }), { session });
    await eventually("its end", () => reply.over);
    expect(reply.failures[0]?.error.message).toBe("flooding sent a message of over 8388608 bytes");
    await eventually("the process ending", () => !alive(pid));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
  });

  it("because it closed its output, and lives: it is ended, for it will never answer", async () => {
    const upstream = scripted(
      "speechless",
      `import { closeSync } from "node:fs"; setInterval(() => {}, 1000);
       serve((m) => { if (m.method === "initialize") return hello(m.id); if (m.id) closeSync(1); });`,
      { limits: { termAfterMs: 100 } },
    );
    const session = await begin(upstream);
    const { reply } = ask(upstream, call(1, "x"), { session });
    await eventually("its end", () => reply.over);
    expect(reply.failures).toMatchObject([
      { error: { message: "speechless closed its output" }, reached: true },
    ]);
  });

  it("has its last answer delivered", async () => {
    const upstream = scripted(
      "parting",
      'serve((m) => { if (m.method === "initialize") return hello(m.id); if (m.id) { text(m.id, "bye"); process.exit(0); } });',
    );
    const session = await begin(upstream);
    expect(textOf(await answered(upstream, call(1, "x"), { session }))).toBe("bye");
  });
});

describe("everything that a server started ends with it", () => {
  it("when the session ends, though all of them ignore SIGTERM", async () => {
    const upstream = scripted("leaving", leaving, { limits: { termAfterMs: 100, killAfterMs: 300 } });
    const session = await begin(upstream);
    const pids = await leftBehind(upstream, session);
    ask(upstream, undefined, { method: "DELETE", session });
    await eventually("their end", () => !pids.some(alive));
  });

  it("when it crashes", async () => {
    const upstream = scripted("leaving-crash", leaving);
    const session = await begin(upstream);
    const pids = await leftBehind(upstream, session);
    ask(upstream, call(2, "crash"), { session });
    await eventually("their end", () => !pids.some(alive));
  });

  it("when the connector is killed without warning", async () => {
    const file = scripts.path("connector.mjs");
    const server = scripts.server("orphans", leaving);
    const here = (name: string) => JSON.stringify(join(import.meta.dirname, name));
    const program = `
      const { stdioUpstream } = await import(${here("stdio.ts")});
      const { answered, begin, call, recordingDeps, textOf } = await import(${here("stdio.fixture.ts")});
      const upstream = stdioUpstream("orphans", ${JSON.stringify(server)}, recordingDeps());
      const session = await begin(upstream);
      console.log(textOf(await answered(upstream, call(1, "left"), { session })));`;
    writeFileSync(file, program);
    const connector = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(connector.stdout, "data")) as [Buffer];
    const pids = JSON.parse(line.toString()) as number[];
    expect(pids.map(alive)).toEqual([true, true, true, true, true]);
    connector.kill("SIGKILL");
    await eventually("their end", () => !pids.some(alive));
  });
});

describe("stopping", () => {
  it("begins with the end of input: an orderly server is not hurried", async () => {
    const file = scripts.path("orderly");
    const upstream = scripted(
      "orderly",
      `import { writeFileSync } from "node:fs"; process.on("SIGTERM", () => process.exit(1));
       process.stdin.on("end", () => writeFileSync(${JSON.stringify(file)}, "in order"));
       serve((m) => hello(m.id));`,
    );
    await begin(upstream);
    await upstream.close();
    expect(existsSync(file) && readFileSync(file, "utf8")).toBe("in order");
  });

  it("insists; calls in flight fail, and nothing is started any more", async () => {
    const upstream = scripted(
      "stubborn",
      `process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); ${simple}`,
      {
        limits: { termAfterMs: 50, killAfterMs: 150 },
      },
    );
    const session = await begin(upstream);
    const pid = Number(textOf(await answered(upstream, call(1, "pid"), { session })));
    const { reply } = ask(upstream, call(2, "never"), { session });
    const begun = performance.now();
    await upstream.close();
    expect(performance.now() - begun).toBeLessThan(1_500);
    expect(alive(pid)).toBe(false);
    expect(reply.failures).toMatchObject([{ error: { code: "unavailable" } }]);
    expect(ask(upstream, initialize()).reply.failures).toMatchObject([
      { error: { code: "unavailable" }, reached: false },
    ]);
  });

  it("a session that nobody uses ends by itself; one with a call or an open stream does not", async () => {
    const upstream = scripted("idle", simple, { limits: { sessionIdleMs: 300 } });
    const [idle, calling, listening] = [await begin(upstream), await begin(upstream), await begin(upstream)];
    const waiting = ask(upstream, call(1, "never"), { session: calling });
    const stream = ask(upstream, undefined, { method: "GET", session: listening });
    const pids = await Promise.all(
      [idle, calling, listening].map(async (session) =>
        Number(textOf(await answered(upstream, call(9, "pid"), { session }))),
      ),
    );
    await eventually("its end", () => !alive(pids[0] as number));
    expect(pids.slice(1).map(alive)).toEqual([true, true]);
    expect([waiting.reply.over, stream.reply.over]).toEqual([false, false]);
    waiting.cancel();
    stream.cancel();
    await eventually("the end of the others", () => !pids.some(alive));
  });
});
