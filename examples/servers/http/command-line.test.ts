import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { serveOptions } from "./command-line.ts";

const MAINS = ["everything-v1", "everything-v2", "reflector"];

let child: ChildProcess | undefined;
afterEach(() => child?.kill("SIGKILL"));

function run(name: string, args: readonly string[] = []) {
  const main = new URL(`../${name}/main.ts`, import.meta.url).pathname;
  const started = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  child = started;
  return started;
}

describe("a server started alone", () => {
  it.each(MAINS)("%s prints its url and ends on SIGTERM", async (name) => {
    const server = run(name);
    const [line] = (await once(createInterface(server.stdout), "line")) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const { status } = await fetch(url, { method: "PUT" });
    expect(status).toBeGreaterThanOrEqual(400);
    server.kill("SIGTERM");
    const [code, signal] = await once(server, "exit");
    expect([code, signal]).toEqual([0, null]);
  });

  it("says in one line why it does not start", async () => {
    const server = run("orders");
    let said = "";
    server.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code] = await once(server, "close");
    expect(code).toBe(1);
    expect(said).toBe("orders needs a token: start it with --token-file FILE\n");
  });
});

describe("the options", () => {
  it("listen on a free loopback port unless told", () => {
    expect(serveOptions([])).toEqual({ port: 0, host: "127.0.0.1", allowedHosts: [], token: undefined });
  });

  it.each(["-1", "65536", "x", "1.5"])("refuse the port %s", (port) => {
    expect(() => serveOptions([`--port=${port}`])).toThrow(/is no port/);
  });

  it("refuse what they do not know", () => {
    expect(() => serveOptions(["--token", "secret"])).toThrow(/Unknown option/);
  });
});
