import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@sallyport/testkit";
import { expect, onTestFinished, test } from "vitest";
import { StartWatch, ZoneDied } from "./start-watch.ts";

function logOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-watch-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "zone.log");
  writeFileSync(file, text);
  return file;
}

test("a step whose zones live has its own outcome", async () => {
  const watch = new StartWatch();
  expect(await watch.during(async () => 7)).toBe(7);
  await expect(watch.during(() => Promise.reject(new Error("no port")))).rejects.toThrow("no port");
});

test("a zone that dies ends the step, also one that would itself have failed of it", async () => {
  for (const outcome of [async () => 7, () => Promise.reject(new Error("never ready"))]) {
    const watch = new StartWatch();
    const step = async () => {
      await until("the end of it", () => watch.givenUp, { within: 20_000 });
      return await outcome();
    };
    const failing = watch.during(step);
    const logFile = logOf("");
    watch.died({ name: "edge-1", exit: { code: 78, signal: null }, logFile });
    watch.died({ name: "broker-1", exit: { code: null, signal: "SIGKILL" }, logFile });
    await expect(failing).rejects.toThrow(
      new ZoneDied({ name: "edge-1", exit: { code: 78, signal: null }, logFile }, ""),
    );
  }
});

test("its last words are shown without the stack, bounded, and cannot command the terminal", () => {
  const log = `first\n${"more\n".repeat(20)}no such file \u001b[2J\n    at open (fs.ts:1:1)\n${"x".repeat(9_000)}\n`;
  const of = { name: "edge-1", exit: { code: 1, signal: null }, logFile: "/run/edge-1.log" };
  const { message } = new ZoneDied(of, log);
  expect(message).toContain(
    "edge-1 ended (code 1) while the stack was starting; its log is /run/edge-1.log\n",
  );
  expect(message).toContain("no such file \\u{1b}[2J\n");
  expect(message).not.toMatch(/first|at open/);
  expect(message.length).toBeLessThan(1_000);
});
