import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SandboxFiles } from "./files.ts";
import { type LiveAgent, startAgent } from "./live-agent.fixture.ts";

const run = promisify(execFile);
let agent: LiveAgent;
let files: SandboxFiles;
beforeEach(async () => {
  agent = await startAgent();
  files = new SandboxFiles(agent.client, { cwd: agent.folder });
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
});
const at = (path: string) => join(agent.folder, path);
const failure = (errno: number) => ({ code: "failed", errno });

describe("a file", () => {
  it("is written whole, with its folders, and read back in parts", async () => {
    const data = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => i % 251));
    await files.write("a/b/c.bin", data, { mode: 0o640 });
    const back = await files.read("a/b/c.bin");
    expect(back.data.equals(data)).toBe(true);
    expect(back).toMatchObject({ kind: "file", mode: 0o640, size: data.length });
    expect((await files.read("a/b/c.bin", { offset: 1000, limit: 5 })).data).toEqual(
      data.subarray(1000, 1005),
    );
    expect(await readdir(at("a/b"))).toEqual(["c.bin"]);
  });

  it("keeps its mode when it is written again, and a link to it stays a link", async () => {
    await writeFile(at("x"), "old");
    await chmod(at("x"), 0o700);
    await symlink("x", at("link"));
    await files.write("link", Buffer.from("new"));
    expect(await readFile(at("x"), "utf8")).toBe("new");
    expect((await stat(at("x"))).mode & 0o777).toBe(0o700);
    expect(await files.stat("link")).toMatchObject({ kind: "link" });
  });

  it("may be empty", async () => {
    await files.write("empty", Buffer.alloc(0));
    expect((await files.read("empty")).data).toHaveLength(0);
  });

  it("of unknown size is there when it is finished, and not at all when it is dropped or too large", async () => {
    const good = await files.open("good");
    await good.write(Buffer.from("one"));
    await good.write(Buffer.from("two"));
    await good.finish();
    expect(await readFile(at("good"), "utf8")).toBe("onetwo");
    const large = await files.open("large", { maxBytes: 3 });
    await large.write(Buffer.from("four"));
    await expect(large.finish()).rejects.toMatchObject(failure(27));
    const dropped = await files.open("dropped");
    await dropped.write(Buffer.from("x"));
    dropped.drop();
    await expect(dropped.finish()).rejects.toMatchObject({ code: "failed" });
    expect(await readdir(agent.folder)).toEqual(["good"]);
  });

  it("that is a FIFO, a device or a folder holds nobody up, and is refused (attack 21)", async () => {
    await run("mkfifo", [at("fifo")]);
    await mkdir(at("folder"));
    for (const path of ["fifo", "folder", "/dev/zero"]) {
      await expect(files.read(path)).rejects.toMatchObject(failure(200));
      await expect(files.write(path, Buffer.from("x"))).rejects.toMatchObject(failure(200));
    }
    expect(await files.stat("fifo")).toMatchObject({ kind: "fifo" });
    expect((await files.grep({ pattern: "x", path: "." })).found).toEqual([]);
  });

  it("that is not there, or lies below a file, is told in our words", async () => {
    await writeFile(at("x"), "");
    await expect(files.read("none")).rejects.toThrow("no such file or directory");
    await expect(files.write("x/y", Buffer.alloc(1))).rejects.toMatchObject(failure(20));
  });
});

describe("a search", () => {
  it("by name finds across folders, the newest first", async () => {
    await mkdir(at("src/deep"), { recursive: true });
    for (const [name, time] of [
      ["src/a.ts", 10],
      ["src/deep/b.ts", 30],
      ["c.ts", 20],
      ["src/d.js", 40],
    ] as const) {
      await writeFile(at(name), "");
      await utimes(at(name), time, time);
    }
    const found = async (pattern: string) => (await files.glob(pattern)).found;
    expect(await found("**/*.ts")).toEqual(["./src/deep/b.ts", "./c.ts", "./src/a.ts"]);
    expect(await found("src/*.ts")).toEqual(["./src/a.ts"]);
    expect(await found("src/**")).toEqual(["./src/d.js", "./src/deep/b.ts", "./src/a.ts"]);
    expect(await found(`${agent.folder}/c.*`)).toEqual([at("c.ts")]);
  });

  it("by name knows alternatives, and stays out of .git and node_modules unless it begins there", async () => {
    for (const path of ["a.ts", "a.tsx", "a.js", "node_modules/m/a.ts", ".git/a.ts"])
      await files.write(path, Buffer.from("needle"));
    const found = async (pattern: string, folder?: string) => (await files.glob(pattern, folder)).found;
    expect(new Set(await found("**/*.{ts,t{sx,t}}"))).toEqual(new Set(["./a.ts", "./a.tsx"]));
    expect(await found("**/*.ts", "node_modules")).toEqual(["node_modules/m/a.ts"]);
    expect(await found("{a,b")).toEqual([]);
    expect((await files.grep({ pattern: "needle", path: "." })).found).toHaveLength(3);
    await expect(files.glob("{a,b}".repeat(7))).rejects.toThrow(RangeError);
    await expect(files.glob("a\nb")).rejects.toThrow(RangeError);
  });

  it("by name tells at most 200, the newest, and that there are more", async () => {
    for (let i = 0; i < 205; i++) {
      await writeFile(at(`f${i}`), "");
      await utimes(at(`f${i}`), i, i);
    }
    const { found, truncated } = await files.glob("*");
    expect([found.length, found[0], found[199], truncated]).toEqual([200, "./f204", "./f5", true]);
  });

  it("in files tells path, line number and text, and passes over binary files and links", async () => {
    await writeFile(at("a.txt"), "one\ntwo 22\nthree");
    await writeFile(at("bin"), Buffer.from("two\0two 3"));
    await symlink("a.txt", at("link"));
    expect((await files.grep({ pattern: "t.o \\d+|three$", path: "." })).found).toEqual([
      "./a.txt:2:two 22",
      "./a.txt:3:three",
    ]);
    expect(
      (await files.grep({ pattern: "TWO", path: "a.txt", how: "regex-ignoring-case" })).found,
    ).toHaveLength(1);
    expect((await files.grep({ pattern: "t.o", path: "a.txt", how: "fixed" })).found).toEqual([]);
  });

  it("in files is bounded in bytes, and refuses what is no pattern", async () => {
    await writeFile(at("a"), "line\n".repeat(10_000));
    const { found, truncated } = await files.grep({ pattern: "line", path: "a", maxBytes: 1000 });
    expect(found.join("\n").length).toBeLessThanOrEqual(1000);
    expect(truncated).toBe(true);
    await expect(files.grep({ pattern: "(", path: "a" })).rejects.toMatchObject(failure(202));
  });

  it("that takes too long is ended, and the agent answers meanwhile", async () => {
    const slow = new SandboxFiles(agent.client, { cwd: "/", timeoutMs: 100 });
    await writeFile(at("a"), `${"a".repeat(30_000)}\n`.repeat(50));
    const grep = slow.grep({ pattern: "(a*)*(a*)*\\1b", path: at("a") });
    await agent.client.ping();
    await expect(grep).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("processes", () => {
  it("are listed and ended, but for the agent and the first", async () => {
    const exec = await agent.client.exec({ argv: ["/bin/sleep", "304"], cwd: "/" });
    const mine = (await files.processes()).find(({ pid }) => pid === exec.pid);
    expect(mine).toMatchObject({ command: "/bin/sleep 304", parent: agent.process.pid });
    await files.killProcess(exec.pid, 15);
    expect(await exec.exit).toEqual({ signal: 15 });
    await expect(files.killProcess(agent.process.pid ?? 0, 9)).rejects.toMatchObject(failure(1));
    await expect(files.killProcess(1, 9)).rejects.toThrow(RangeError);
  });
});

describe("the bridge", () => {
  it("carries connections to the socket both ways, and half-closes", async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      socket.pipe(socket);
    }).listen(at("egress.sock"));
    await once(server, "listening");
    const bridge = await files.bridge(0, at("egress.sock"));
    const sent = Buffer.alloc(2_000_000, "bridge");
    const all = Array.from({ length: 5 }, async () => {
      const socket = connect({ port: bridge.port, host: "127.0.0.1", allowHalfOpen: true });
      socket.end(sent);
      const back: Buffer[] = [];
      for await (const chunk of socket) back.push(chunk as Buffer);
      expect(Buffer.concat(back).equals(sent)).toBe(true);
    });
    await Promise.all(all);
    await bridge.stop();
    server.close();
    await once(server, "close");
  });

  it("closes a connection when nobody is behind the socket, and tells a taken port", async () => {
    const bridge = await files.bridge(0, at("nobody.sock"));
    const socket = connect(bridge.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "close");
    await expect(files.bridge(bridge.port, at("nobody.sock"))).rejects.toMatchObject(failure(98));
    await bridge.stop();
  });
});
