import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { leakCheck } from "../leak-check.ts";
import { until } from "../until.ts";
import { inPlace } from "./place.ts";
import { type Exit, type Server, type ServerSpec, startServer } from "./server.ts";

afterAll(leakCheck);

/** A server that is one line of shell; ready when its log says "up". */
async function startShell(line: string, more: Partial<ServerSpec> = {}): Promise<Server> {
  return await inPlace("shell", undefined, ({ folder, temporary }) =>
    startServer({
      name: "shell",
      command: "/bin/sh",
      args: ["-c", line],
      folder,
      temporary,
      ready: async () =>
        (await readFile(join(folder, "shell.log"), "utf8")).includes("up") ? true : undefined,
      ...more,
    }),
  );
}

/** A process that has ended but was not collected by its parent (a zombie, under some container inits) is not alive. */
function alive(pid: number): boolean {
  const { stdout } = spawnSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" });
  return stdout.trim() !== "" && !stdout.trim().startsWith("Z");
}

async function present(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

describe("a server that can't start", () => {
  it("is told with its last log lines when it ends before it is ready, and its folder goes", async () => {
    const start = startShell("echo bad listen address; pwd; exit 3", { ready: async () => undefined });
    const error = await start.then(
      () => undefined,
      (error: unknown) => String(error),
    );
    expect(error).toMatch(/shell ended \(code 3\) before it was ready\nIt logged last:\nbad listen address/);
    const folder = error?.trim().split("\n").at(-1) ?? "";
    expect(folder).toContain("sallyport-shell-");
    expect(await present(folder)).toBe(false);
  });

  it("is told with its last log lines when it never answers, and is killed", async () => {
    const start = startShell("echo $$; exec sleep 60", { ready: async () => undefined, readyWithin: 300 });
    const error = await start.then(
      () => "",
      (error: unknown) => String(error),
    );
    expect(error).toContain("shell answering did not happen within 300 ms");
    expect(alive(Number(error.trim().split("\n").at(-1)))).toBe(false);
  });

  it("is told when there is no such program", async () => {
    await expect(startShell("", { command: "/absent/program" })).rejects.toThrow(
      /could not be started: .*ENOENT/,
    );
  });
});

describe("stopping", () => {
  it("ends the whole process group and removes the temporary folder; a second time does nothing", async () => {
    const server = await startShell("sleep 60 & echo child $!; echo up; wait");
    const child = Number(/child (\d+)/.exec(await readFile(join(server.folder, "shell.log"), "utf8"))?.[1]);
    expect(alive(child)).toBe(true);
    const { pid, folder } = server;
    await server.stop();
    await server.stop();
    expect(alive(pid)).toBe(false);
    await until("the child ending", () => !alive(child), { within: 2_000 });
    expect(await present(folder)).toBe(false);
    expect(() => server.pid).toThrow("is not running");
  });

  it("insists when the polite signal is ignored", async () => {
    const server = await startShell("trap '' TERM; echo up; while :; do sleep 1; done");
    const { pid } = server;
    await server.stop();
    expect(alive(pid)).toBe(false);
  });

  it("keeps a folder that the caller gave", async () => {
    const dir = await mkdtemp(join(tmpdir(), "sallyport-kept-"));
    const spec = {
      name: "shell",
      command: "/bin/sh",
      args: ["-c", "exec sleep 60"],
      folder: dir,
      temporary: false,
    };
    const server = await startServer({ ...spec, ready: async () => true });
    await server.stop();
    expect(await present(dir)).toBe(true);
    await rm(dir, { recursive: true });
  });
});

describe("killing", () => {
  it("a stopped (SIGSTOP) server can be continued, and can be put away", async () => {
    // One process that handles the signal itself: what it does not handle would end it even when stopped.
    const program =
      "process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1000); console.log('up')";
    const server = await startShell("", { command: process.execPath, args: ["-e", program] });
    const state = async () =>
      (await promisify(execFile)("ps", ["-o", "stat=", "-p", `${server.pid}`])).stdout.trim();
    await server.kill("SIGSTOP");
    expect(await state()).toMatch(/^T/);
    await server.kill("SIGCONT");
    await until("the server continuing", async () => !(await state()).startsWith("T"), { within: 2_000 });
    await server.kill("SIGSTOP");
    const { pid } = server;
    const begun = performance.now();
    await server.stop();
    expect(performance.now() - begun).toBeLessThan(4_000); // it heard the signal; it was not killed after 5 s
    expect(alive(pid)).toBe(false);
  });

  it("what is not running can't be killed", async () => {
    const server = await startShell("echo up; exec sleep 60");
    await server.kill();
    await expect(server.kill()).rejects.toThrow("is not running");
    await server.stop();
  });

  it("an end that nobody asked for is reported, one that was asked for is not", async () => {
    const exits: Exit[] = [];
    const onExit = (exit: Exit) => exits.push(exit);
    const dying = await startShell("echo up; sleep 0.2; exit 7", { onExit });
    await until("the report", () => exits.length > 0, { within: 5_000 });
    await dying.stop();
    const stopped = await startShell("echo up; exec sleep 60", { onExit });
    await stopped.stop();
    expect(exits).toEqual([{ code: 7, signal: null }]);
  });
});

describe("what is left behind", () => {
  it("a server that was not stopped fails the leak check by name, and is put away", async () => {
    const server = await startShell("echo up; exec sleep 60");
    const { pid, folder } = server;
    await expect(leakCheck()).rejects.toThrow(`shell: pid ${pid} still runs, folder ${folder}`);
    expect(alive(pid)).toBe(false);
    expect(await present(folder)).toBe(false);
    await leakCheck();
  });

  it("nothing, when the process that started it is killed without warning", async () => {
    const program = `
      const { startServer } = await import(${JSON.stringify(join(import.meta.dirname, "server.ts"))});
      const { inPlace } = await import(${JSON.stringify(join(import.meta.dirname, "place.ts"))});
      const server = await inPlace("orphan", undefined, (place) => startServer({
        name: "orphan", command: "/bin/sh", args: ["-c", "exec sleep 60"], ...place, ready: async () => true,
      }));
      console.log(JSON.stringify({ pid: server.pid, folder: server.folder }));
      setInterval(() => {}, 1000);`;
    const parent = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const { pid, folder } = JSON.parse(line.toString()) as { pid: number; folder: string };
    expect(alive(pid)).toBe(true);
    parent.kill("SIGKILL");
    await until("the orphan ending", () => !alive(pid), { within: 5_000 });
    await until("its folder going", async () => !(await present(folder)), { within: 5_000 });
  });
});
