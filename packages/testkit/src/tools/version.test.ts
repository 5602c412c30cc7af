import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { tools } from "./tool.ts";
import { baoVersionProblem, bwrapVersionProblem, natsVersionProblem, versionIn } from "./version.ts";

describe("nats-server", () => {
  it.each(["2.9.10", "2.10.29", "2.11.0", "2.11.15", "2.12.0", "2.12.6", "2.13.0", "2.13.99", "1.99.99"])(
    "%s is refused, for its authorisation bypasses",
    (version) => expect(natsVersionProblem(version)).toContain("authorisation bypasses"),
  );
  it.each(["2.11.16", "2.11.20", "2.12.7", "2.12.12", "2.14.0", "2.15.1", "3.0.0"])("%s is good", (version) =>
    expect(natsVersionProblem(version)).toBeUndefined(),
  );
  it.each(["", "latest", "2.14", "v2.15.1", "2.15.1-beta", "2.15.1 ", "99999999.0.0"])(
    "%j is not a version, and so refused",
    (version) => expect(natsVersionProblem(version)).toContain("is not a version"),
  );
});

describe("OpenBao and bubblewrap", () => {
  it.each(["1.99.0", "2.4.9"])("OpenBao %s is refused", (v) =>
    expect(baoVersionProblem(v)).toContain("older"),
  );
  it.each(["2.5.0", "2.7.2", "3.0.0"])("OpenBao %s is good", (v) =>
    expect(baoVersionProblem(v)).toBeUndefined(),
  );
  it("OpenBao of no readable version is refused", () => expect(baoVersionProblem("dev")).toBeDefined());
  it("bubblewrap 0.8.0 is refused", () => expect(bwrapVersionProblem("0.8.0")).toContain("--overlay"));
  it("bubblewrap 0.11.0 is good", () => expect(bwrapVersionProblem("0.11.0")).toBeUndefined());
  it("bubblewrap of no readable version is refused", () => expect(bwrapVersionProblem("x")).toBeDefined());
});

describe("what a program prints for its version", () => {
  it.each([
    ["nats-server: v2.15.1\n", "2.15.1"],
    ["OpenBao v2.7.2 (9e0a0d3c), built 2026-10-26T20:32:27Z", "2.7.2"],
    ["bubblewrap 0.11.0", "0.11.0"],
    ["no version here", undefined],
  ])("%j says %s", (output, version) => expect(versionIn(output)).toBe(version));
});

describe("the table of tools", () => {
  it.each(Object.values(tools))(
    "$name: the pinned version is good and is the one its path speaks of",
    async (tool) => {
      const pins = await readFile(join(import.meta.dirname, tool.pins), "utf8");
      expect(tool.problem(tool.version)).toBeUndefined();
      expect(pins).toContain(`==${tool.version} `);
      expect(pins.match(/--hash=sha256:[0-9a-f]{64}\b/g)?.length).toBeGreaterThanOrEqual(2);
    },
  );
});
