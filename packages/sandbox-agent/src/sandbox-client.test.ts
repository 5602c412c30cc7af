import { readdir, readFile } from "node:fs/promises";
import { until } from "@sallyport/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LiveAgent, startAgent } from "./live-agent.fixture.ts";
import type { RunningExec } from "./running-exec.ts";
import type { ExecRequest } from "./sandbox-client.ts";

let agent: LiveAgent;
beforeEach(async () => {
  agent = await startAgent();
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
});

const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
function bash(script: string, more: Partial<ExecRequest> = {}, signal?: AbortSignal): Promise<RunningExec> {
  return agent.client.exec({ argv: ["bash", "-c", script], cwd: agent.folder, env, ...more }, signal);
}
async function all(exec: RunningExec): Promise<{ stdout: string; stderr: string }> {
  const seen = { stdout: "", stderr: "" };
  for await (const { stream, data } of exec.output()) seen[stream] += data.toString();
  return seen;
}
async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat === "" || / [ZX] /.test(stat);
}

describe("a program", () => {
  it("has its arguments, its folder, its whole environment, and two streams", async () => {
    const exec = await bash('pwd; printf "%s" "$A"; env | wc -l; echo no >&2; exit 7', {
      env: { ...env, A: "ä\n" },
    });
    const { stdout, stderr } = await all(exec);
    expect(stdout.startsWith(`${agent.folder}\nä\n`)).toBe(true);
    expect(stderr).toBe("no\n");
    expect(await exec.exit).toEqual({ code: 7 });
  });

  it("reads /dev/null unless it was given a pipe", async () => {
    expect(await all(await bash("readlink /proc/self/fd/0"))).toEqual({ stdout: "/dev/null\n", stderr: "" });
  });

  it("has no descriptor but its own three", async () => {
    const { stdout } = await all(await bash("ls /proc/self/fd | wc -l"));
    expect(stdout).toBe("4\n"); // the fourth is the folder that ls reads
  });

  it("takes megabytes of input and gives them back", async () => {
    const exec = await bash("cat", { stdin: "pipe" });
    const sent = Buffer.alloc(3_000_000, "0123456789");
    const [back] = await Promise.all([
      (async () => {
        const pieces: Buffer[] = [];
        for await (const { data } of exec.output()) pieces.push(data);
        return Buffer.concat(pieces);
      })(),
      exec.write(sent).then(() => exec.endInput()),
    ]);
    expect(back.equals(sent)).toBe(true);
  });

  it("that is not there is told as not started, with its errno", async () => {
    await expect(agent.client.exec({ argv: ["/nowhere"], cwd: "/" })).rejects.toMatchObject({
      code: "not-started",
      errno: 2,
    });
    await expect(bash("true", { cwd: "/nowhere" })).rejects.toMatchObject({ code: "not-started" });
    await agent.client.ping();
  });

  it("tells the signal that ended it", async () => {
    const exec = await bash("kill -TERM $$");
    expect(await exec.exit).toEqual({ signal: 15 });
  });

  it("is refused when too many run", async () => {
    await using small = await startAgent({ maxExecs: 1 });
    const first = await small.client.exec({ argv: ["sleep", "100"], cwd: "/", env });
    await expect(small.client.exec({ argv: ["true"], cwd: "/", env })).rejects.toMatchObject({
      code: "exhausted",
    });
    first.kill();
    expect(await first.exit).toEqual({ signal: 9 });
    await (await small.client.exec({ argv: ["true"], cwd: "/", env })).exit;
  });

  it("on a terminal sees its size, and hears of a new one", async () => {
    const exec = await bash(
      'stty size; trap "stty size; exit" WINCH; echo ready; while :; do sleep 0.02; done',
      { terminal: { rows: 33, columns: 101 } },
    );
    let seen = "";
    for await (const { data } of exec.output()) {
      seen += data.toString();
      if (seen.includes("ready")) exec.resize(20, 70);
    }
    expect(seen.replaceAll("\r", "")).toBe("33 101\nready\n20 70\n");
  });
});

describe("output", () => {
  it("that is not read holds the program back, and takes no memory", async () => {
    const exec = await bash("head -c 300000000 /dev/zero; echo done >&2");
    const iterator = exec.output();
    await iterator.next();
    await agent.client.ping();
    const { stdout } = await all(await bash(`grep VmRSS /proc/${agent.process.pid}/status`));
    expect(Number(/(\d+) kB/.exec(stdout)?.[1])).toBeLessThan(8_000);
    await iterator.return(); // read no further: the rest is thrown away
    expect(await exec.exit).toEqual({ code: 0 });
  });

  it("of a daemon that keeps the pipe does not hold the call open (attack 27)", async () => {
    const exec = await bash("(setsid sleep 300 & echo $! >&2) ; echo here");
    const { stdout, stderr } = await all(exec);
    expect(stdout).toBe("here\n");
    expect(await isGone(Number(stderr))).toBe(false);
  });

  it("of a daemon that goes on writing does not hold the call open either", async () => {
    const exec = await bash("(setsid cat /dev/zero &) ; sleep 0.2");
    await until("the program is over", () => isGone(exec.pid), { within: 5_000 });
    let bytes = 0;
    for await (const { data } of exec.output()) {
      bytes += data.length;
      expect(bytes).toBeLessThan(1_000_000);
      await (await bash("true")).exit; // a reader that is slower than the daemon never finds the pipe empty
    }
    expect(await exec.exit).toEqual({ code: 0 });
  });
});

describe("the end", () => {
  it("of an aborted program takes its session along, and the caller gets the reason", async () => {
    const abort = new AbortController();
    const exec = await bash("sleep 300 & echo $!; sleep 300", {}, abort.signal);
    const first = await exec.output().next();
    const pid = Number(first.value?.data.toString());
    const reason = new Error("enough");
    const other = await bash("sleep 300", {}, abort.signal);
    abort.abort(reason);
    await expect(other.exit).rejects.toBe(reason);
    await until("the background job is gone", () => isGone(pid), { within: 5_000 });
    await agent.client.ping();
  });

  it("of the socket ends everything, daemons of their own session included", async () => {
    const exec = await bash("setsid sleep 301 & a=$!; (setsid sleep 302 & echo $a $!); sleep 303");
    const pids = String((await exec.output().next()).value?.data)
      .trim()
      .split(" ")
      .map(Number);
    expect(pids).toHaveLength(2);
    agent.client.close();
    await agent.gone;
    for (const pid of [...pids, exec.pid]) expect(await isGone(pid)).toBe(true);
    await expect(exec.exit).rejects.toMatchObject({ code: "closed" });
    await expect(agent.client.ping()).rejects.toMatchObject({ code: "closed" });
  });

  it("comes with the first malformed frame", async () => {
    for (const bytes of [
      [0, 0, 0, 4, 1, 0, 0, 0, 1], // too short
      [0, 0x10, 0, 1, 1, 0, 0, 0, 1], // over 1 MiB
      [0, 0, 0, 5, 99, 0, 0, 0, 1], // no such type
      [0, 0, 0, 6, 2, 0, 0, 0, 1, 0], // an exec that ends too early
      [0, 0, 0, 22, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], // a string longer than its frame
    ]) {
      await using other = await startAgent();
      other.socket.write(Buffer.from(bytes));
      expect(await other.gone).toEqual([0, null]);
    }
  });

  it("of the agent by force is told, and leaves nobody", async () => {
    const exec = await bash("sleep 300");
    agent.process.kill("SIGKILL");
    expect(await agent.client.ended).toMatchObject({ code: "closed" });
    await until("the program is gone", () => isGone(exec.pid), { within: 5_000 });
  });
});

it("the agent opens nothing and keeps nothing after a hundred programs", async () => {
  for (let i = 0; i < 100; i++) await (await bash("true")).exit;
  expect(await readdir(`/proc/${agent.process.pid}/fd`)).toHaveLength(5);
});
