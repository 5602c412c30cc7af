import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool, leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sallyport } from "../stack.fixture.ts";
import { isGood, type RunnerReport, reportText } from "./boundary/report.ts";

afterAll(leakCheck);

/** A whole class is proven first, and other tests may have the processors. The compiler is found by PATH, as a person has one. */
const patience = { timeoutMs: 100_000, env: { PATH: "/usr/local/bin:/usr/bin:/bin" } };
let bwrap: string;
beforeAll(async () => {
  bwrap = await findTool("bwrap");
});

test("attacks are tried from inside, told as a table, and the exit code is 0 where all held", {
  timeout: 120_000,
}, async () => {
  const state = await mkdtemp(join(tmpdir(), "sallyport-cli-"));
  await chmod(state, 0o711);
  const options = ["--bwrap", bwrap, "--state", state, "--only", "6,20,31"];
  const { code, out, err } = await sallyport(["boundary", "test", ...options], patience);
  expect(`${err}${out}`).toContain("3 attacks: 3 held");
  expect(out).toMatch(/^#\s+ATTACK\s+EXPECTED\s+SEEN\s+VERDICT$/m);
  expect(out).toMatch(/^ 6 {2}mounts .* held$/m);
  expect(code).toBe(0);
  expect(await readdir(state)).toEqual([]);
  await rm(state, { recursive: true });
});

test("--json tells each result, and why a class is weaker", { timeout: 120_000 }, async () => {
  const { code, out } = await sallyport(
    ["boundary", "test", "--bwrap", bwrap, "--only", "24", "--json"],
    patience,
  );
  const { ok, runners } = JSON.parse(out) as { ok: boolean; runners: RunnerReport[] };
  expect({ code, ok }).toEqual({ code: 0, ok: true });
  for (const { class: judged, weaker, results } of runners) {
    expect(results).toHaveLength(1);
    expect(results[0]).toMatchObject({ number: 24, source: expect.any(String) });
    expect(weaker.length > 0).toBe(judged.user === "shared-uid" || judged.limits === "none");
  }
});

test("an unknown attack and a bubblewrap that is none are refused", { timeout: 120_000 }, async () => {
  const unknown = await sallyport(["boundary", "test", "--bwrap", bwrap, "--only", "1,39"], patience);
  expect(unknown.code).toBe(2);
  expect(unknown.err).toContain("there is no attack 39");
  const none = await sallyport(["boundary", "test", "--bwrap", "/usr/bin/true", "--only", "6"], patience);
  expect(none.code).toBe(78);
  expect(none.err).toContain("no sandbox can be made here");
});

const report = (verdict: "held" | "escaped", refused?: string): RunnerReport => ({
  runner: "root",
  class: { user: "own-uid", limits: "cgroup-v2", workspace: "mounted" },
  weaker: [],
  ...(refused === undefined ? {} : { refused }),
  results: [
    {
      ...{ number: 1, name: "kernel settings", tries: "t", source: "s", expected: "none", milliseconds: 1 },
      ...{ verdict, seen: "core_pattern: allowed \x1b[2J\x07" },
    },
  ],
});

test("an escape, and a class of which no sandbox starts, are not good", () => {
  expect(isGood(report("held"))).toBe(true);
  expect(isGood(report("escaped"))).toBe(false);
  expect(isGood(report("held", "the probe failed"))).toBe(false);
});

test("what a sandbox wrote is shown, never obeyed", () => {
  const text = reportText(report("escaped", "\x1b]0;taken\x07"), false);
  expect(text).toContain("core_pattern: allowed");
  expect(text).toContain("\\u{1b}[2J");
  expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
});
