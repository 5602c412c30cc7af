import { ServiceError, WorkQuestion } from "@sallyport/contracts";
import { afterEach, expect, test } from "vitest";
import type { GatedCaller } from "../sandboxes/call-context.ts";
import { SandboxGone } from "../sandboxes/sandbox-gone.ts";
import { RemotePool } from "./remote-pool.ts";

const pools: RemotePool[] = [];
afterEach(() => {
  for (const pool of pools.splice(0)) pool.close();
});

function start(more: { sessions?: number; idleMs?: number } = {}) {
  const ended: string[] = [];
  const pool = new RemotePool({
    ...{ runner: "r1", sessions: 2, idleMs: 60_000, ...more },
    ended: (handle) => ended.push(handle),
    log: { warn: () => undefined },
  });
  pools.push(pool);
  return { pool, ended };
}

/** A caller whose edge answers like this. */
function caller(answer: (question: WorkQuestion) => unknown, principal = "p1"): GatedCaller {
  return {
    ...{ principal, pool: "builds" },
    context: {
      who: { agent: "a", user: undefined, grant: "g" },
      traceparent: undefined,
      credential: async () => {
        throw new ServiceError("denied", "none");
      },
      ask: async (question) => {
        const asked = WorkQuestion.parse(JSON.parse(Buffer.from(question).toString()));
        return Buffer.from(JSON.stringify(await answer(asked)));
      },
    },
  };
}

const { signal } = new AbortController();
const done = { outcome: "answered", isError: false, content: [{ type: "text", text: "done" }] };

test("a call is asked of the edge under the session's name, and its answer is the result", async () => {
  const { pool } = start();
  const questions: WorkQuestion[] = [];
  const who = caller((question) => {
    questions.push(question);
    return done;
  });
  const handle = await pool.open(who);
  const bench = await pool.use(handle, who);
  expect(await bench.call("bash", { command: "x" }, signal)).toMatchObject({ content: [{ text: "done" }] });
  expect(questions).toEqual([{ do: "call", session: handle, tool: "bash", input: { command: "x" } }]);
  expect(handle.startsWith("r1.")).toBe(true);
});

test("a tool that the workers do not have is refused at once: nobody would answer", async () => {
  const { pool } = start();
  const who = caller(() => {
    throw new Error("not to be asked");
  });
  const bench = await pool.use(await pool.open(who), who);
  expect(await bench.call("list_processes", {}, signal)).toMatchObject({ isError: true });
});

test("another's handle, an unknown one and one that ended are told alike", async () => {
  const { pool } = start();
  const who = caller(() => done);
  const handle = await pool.open(who);
  await expect(
    pool.use(
      handle,
      caller(() => done, "p2"),
    ),
  ).rejects.toThrow(SandboxGone);
  await expect(pool.use(handle, { ...who, pool: "other" })).rejects.toThrow(SandboxGone);
  await expect(pool.use("r1.x", who)).rejects.toThrow(SandboxGone);
  await pool.end(handle, who);
  await expect(pool.use(handle, who)).rejects.toThrow(SandboxGone);
});

test.each([
  [{ outcome: "failed", code: "unavailable", message: "no worker" }, /no worker/],
  [{ outcome: "failed", code: "not_found", message: "x" }, SandboxGone],
  [{ outcome: "answered", isError: false, content: [] }, /not understood/],
  ["<html>", /not understood/],
])("an edge that says %j is told to the agent", async (answer, error) => {
  const { pool } = start();
  const who = caller(() => answer);
  const bench = await pool.use(await pool.open(who), who);
  await expect(bench.call("bash", {}, signal)).rejects.toThrow(error);
});

test("a call that is given up waits no longer, and one without an exchange is not made", async () => {
  const { pool } = start();
  const stop = new AbortController();
  const who = caller(() => new Promise(() => undefined));
  const bench = await pool.use(await pool.open(who), who);
  const call = bench.call("bash", {}, stop.signal);
  stop.abort(new Error("given up"));
  await expect(call).rejects.toThrow("given up");
  const { context: _, ...bare } = who;
  const other = await pool.use(await pool.open(bare), bare);
  await expect(other.call("bash", {}, signal)).rejects.toMatchObject({ code: "internal" });
});

test("sessions are bounded, and one that nobody uses ends", async () => {
  const { pool, ended } = start({ sessions: 1, idleMs: 150 });
  const who = caller(() => done);
  const handle = await pool.open(who);
  await expect(pool.open(who)).rejects.toMatchObject({ code: "exhausted" });
  await expect.poll(() => ended, { timeout: 5_000 }).toEqual([handle]);
  await expect(pool.use(handle, who)).rejects.toThrow(SandboxGone);
});
