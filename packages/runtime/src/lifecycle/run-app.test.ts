import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const fixture = fileURLToPath(new URL("./run-app.fixture.ts", import.meta.url));

let folder: string;
const running = new Set<ChildProcess>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "run-app-"));
});

afterEach(() => {
  for (const child of running) child.kill("SIGKILL");
  running.clear();
  rmSync(folder, { recursive: true });
});

interface Started {
  child: ChildProcess;
  output: { out: string; err: string };
  /** Resolves when stdout or stderr holds the text. */
  shows(text: string): Promise<void>;
  exit: Promise<number | null>;
}

function start(args: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [fixture, ...args], { env: { PATH: process.env.PATH, ...env } });
  running.add(child);
  const output = { out: "", err: "" };
  const watchers = new Set<() => void>();
  const collect = (key: "out" | "err") => (chunk: Buffer) => {
    output[key] += chunk.toString();
    for (const watch of watchers) watch();
  };
  child.stdout?.on("data", collect("out"));
  child.stderr?.on("data", collect("err"));
  const exit = once(child, "close").then(([code]) => {
    running.delete(child);
    return code as number | null;
  });
  const shows = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (`${output.out}${output.err}`.includes(text)) resolve();
      };
      watchers.add(look);
      void exit.then(() => reject(new Error(`ended without "${text}": ${output.out}${output.err}`)));
      look();
    });
  return { child, output, shows, exit };
}

function withConfig(yaml: string, env: Record<string, string> = {}, more: readonly string[] = []): Started {
  const file = join(folder, "fixture.yaml");
  writeFileSync(file, yaml);
  return start(["--config", file, ...more], env);
}

async function ask(path: string, socket: string): Promise<{ status: number | undefined; body: unknown }> {
  const [answer] = await once(request({ socketPath: socket, path }).end(), "response");
  let text = "";
  for await (const chunk of answer) text += chunk;
  return { status: answer.statusCode, body: JSON.parse(text) };
}

test.each(["SIGTERM", "SIGINT"] as const)("%s stops intake, then closes in reverse order", async (signal) => {
  const app = withConfig("behave: well");
  await app.shows("ready");
  app.child.kill(signal);
  expect(await app.exit).toBe(0);
  expect(app.output.out).toBe("up \nintake stopped\nclosing second\nclosed second\nclosed first\n");
  expect(app.output.err).toContain('"msg":"stopped"');
});

test("a second signal ends at once", async () => {
  const app = withConfig("behave: hang");
  await app.shows("ready");
  app.child.kill("SIGINT");
  await app.shows("closing second");
  app.child.kill("SIGINT");
  expect(await app.exit).toBe(130);
  expect(app.output.out).not.toContain("closed first");
});

test("the grace timer bounds a close that hangs and names what is open", async () => {
  const app = withConfig("behave: hang", { TEST_GRACE_MS: "200" });
  await app.shows("ready");
  app.child.kill("SIGTERM");
  expect(await app.exit).toBe(1);
  expect(app.output.err).toContain('"open":["first","second"]');
});

test("work in hand that was given time of its own is not cut by the grace timer", async () => {
  const app = withConfig('behave: well\nslowly: "400"', { TEST_GRACE_MS: "300" });
  await app.shows("ready");
  app.child.kill("SIGTERM");
  expect(await app.exit).toBe(0);
  expect(app.output.out).toContain("closed first");
});

test("a resource that fails to close does not keep the others open", async () => {
  const app = withConfig("behave: fail-to-close");
  await app.shows("ready");
  app.child.kill("SIGTERM");
  expect(await app.exit).toBe(1);
  expect(app.output.out).toContain("closed first");
  expect(app.output.err).toContain("socket gone");
});

test.each(["reject", "throw"])("an error nobody caught (%s) is logged and stops in order", async (behave) => {
  const app = withConfig(`behave: ${behave}`);
  expect(await app.exit).toBe(70);
  expect(app.output.err).toContain("nobody caught this");
  expect(app.output.out).toContain("closed first");
});

test("an app that gives up is a failure in the exit code", async () => {
  const app = withConfig("behave: give-up");
  expect(await app.exit).toBe(1);
  expect(app.output.err).toContain("gone for good");
  expect(app.output.out).toContain("closed first");
});

test("an expected boot failure is one message without a stack, and closes what was open", async () => {
  const app = withConfig("behave: cannot-boot");
  expect(await app.exit).toBe(1);
  expect(app.output.err).toBe(
    "sallyport-fixture: the vault does not answer\n  setting: vault.address\n  fix: start it\n",
  );
  expect(app.output.out).toBe("closed first\n");
});

test("a bug in the boot keeps its stack", async () => {
  const app = withConfig("behave: bug-in-boot");
  expect(await app.exit).toBe(1);
  expect(app.output.err).toContain("run-app.fixture.ts");
});

test("a configuration that cannot be used exits with 78 and says where", async () => {
  const app = withConfig("behaves: well");
  expect(await app.exit).toBe(78);
  expect(app.output.err).toContain("fixture.yaml:1:1  behaves: unknown setting; did you mean behave?");
  expect(app.output.err).not.toContain("    at ");
});

test("the environment overrides the file", async () => {
  const app = withConfig("behave: hang", {
    SALLYPORT_BEHAVE: "well",
    SALLYPORT_NOTE: "from the environment",
  });
  await app.shows("up from the environment");
});

test("--check says whether the settings can be used and starts nothing", async () => {
  const good = withConfig("behave: well", {}, ["--check"]);
  expect(await good.exit).toBe(0);
  expect(good.output.out).toMatch(/fixture\.yaml: ok\n$/);
  expect(good.output.out).not.toContain("up");
  expect(await withConfig("behave: badly", {}, ["--check"]).exit).toBe(78);
});

test("arguments it does not know, and no --config, exit with 64", async () => {
  const unknown = start(["--confg", "x"]);
  expect(await unknown.exit).toBe(64);
  expect(unknown.output.err).toContain("--confg");
  const none = start([]);
  expect(await none.exit).toBe(64);
  expect(none.output.err).toContain("start with --config FILE");
});

test("--help and --version answer without a configuration", async () => {
  const help = start(["--help"]);
  expect(await help.exit).toBe(0);
  expect(help.output.out).toContain("--config FILE");
  const version = start(["--version"]);
  expect(await version.exit).toBe(0);
  expect(version.output.out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test("health answers on a socket for the owner alone, and the file goes with the process", async () => {
  const socket = join(folder, "health.sock");
  const app = withConfig("behave: well\ninstance: f1\nhealth: { socket: health.sock }");
  await app.shows("ready");
  expect(statSync(socket).mode & 0o777).toBe(0o600);
  expect(await ask("/readyz", socket)).toEqual({
    status: 200,
    body: { ok: true, zone: "fixture", instance: "f1", checks: { process: "ok" } },
  });
  expect((await ask("/healthz", socket)).status).toBe(200);
  expect((await ask("/other", socket)).status).toBe(404);
  app.child.kill("SIGTERM");
  expect(await app.exit).toBe(0);
  expect(existsSync(socket)).toBe(false);
});

test("a socket file left by a crash is replaced", async () => {
  const socket = join(folder, "health.sock");
  const crashed = withConfig("behave: well\nhealth: { socket: health.sock }");
  await crashed.shows("ready");
  crashed.child.kill("SIGKILL");
  await crashed.exit;
  expect(existsSync(socket)).toBe(true);
  const app = withConfig("behave: well\nhealth: { socket: health.sock }");
  await app.shows("ready");
  expect((await ask("/readyz", socket)).status).toBe(200);
});

test("a socket that a living process holds is left alone", async () => {
  const socket = join(folder, "health.sock");
  const holder = createServer().listen(socket);
  await once(holder, "listening");
  const app = withConfig("behave: well\nhealth: { socket: health.sock }");
  expect(await app.exit).toBe(1);
  expect(app.output.err).toContain("another process answers on");
  expect(existsSync(socket)).toBe(true);
  await new Promise((closed) => holder.close(closed));
});

test("a file that is no socket is left alone", async () => {
  const file = join(folder, "health.sock");
  writeFileSync(file, "mine");
  const app = withConfig("behave: well\nhealth: { socket: health.sock }");
  expect(await app.exit).toBe(1);
  expect(app.output.err).toContain("is not a socket");
  expect(existsSync(file)).toBe(true);
});

test("a socket path that does not fit is refused with its length", async () => {
  const app = withConfig(`behave: well\nhealth: { socket: ${"x".repeat(120)} }`);
  expect(await app.exit).toBe(1);
  expect(app.output.err).toContain("107 fit");
});
