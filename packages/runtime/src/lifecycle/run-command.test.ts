import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";

const fixture = fileURLToPath(new URL("./run-command.fixture.ts", import.meta.url));
const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
});

/** Runs the fixture; `up` is called when it says that it is up. */
async function run(behave: string, up: (child: ChildProcess) => void = () => {}) {
  const child = spawn(process.execPath, [fixture, behave], { env: {} });
  running.add(child);
  const output = { out: "", err: "" };
  let told = false;
  child.stdout.on("data", (chunk: Buffer) => {
    output.out += chunk.toString();
    if (told || !output.out.includes("up\n")) return;
    told = true;
    up(child);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    output.err += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number | null];
  running.delete(child);
  return { code, ...output };
}

test("what main returns is the exit code, and what it opened closes in reverse", async () => {
  expect(await run("three")).toEqual({ code: 3, out: "up\nclosed second\nclosed first\n", err: "" });
});

test("what main throws is explained, and what it opened closes all the same", async () => {
  expect(await run("fail")).toEqual({
    code: 69,
    out: "up\nclosed second\nclosed first\n",
    err: "explained: no such thing\n",
  });
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s aborts the command, closes what is open, and is the exit code", async (signal, code) => {
  expect(await run("wait", (child) => child.kill(signal))).toEqual({
    code,
    out: "up\nclosed second\nclosed first\n",
    err: "",
  });
});

test("a second signal ends it at once", async () => {
  const { code, out } = await run("deaf", (child) => {
    child.kill("SIGINT");
    // Another signal than the first: two of one kind may become one.
    child.kill("SIGTERM");
  });
  expect([130, 143]).toContain(code);
  expect(out).toBe("up\n");
});

test("after a signal, a close that hangs is bounded", async () => {
  const { code, out } = await run("hang-in-close", (child) => child.kill("SIGINT"));
  expect(code).toBe(130);
  expect(out).toBe("up\n");
});

test("a reader that has gone ends it without a word", async () => {
  const { code, err } = await run("talk", (child) => child.stdout?.destroy());
  expect({ code, err }).toEqual({ code: 0, err: "" });
});
