import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bearerMatches, tokenFromFile } from "./bearer.ts";

describe("the bearer check", () => {
  it("admits the demanded token alone", () => {
    expect(bearerMatches("Bearer right", "right")).toBe(true);
    expect(bearerMatches("bearer right", "right")).toBe(true);
    for (const header of [
      undefined,
      "",
      "Bearer",
      "Bearer ",
      "Bearer wrong",
      "Bearer right x",
      "Basic right",
      "right",
    ]) {
      expect(bearerMatches(header, "right"), String(header)).toBe(false);
    }
  });
});

describe("a token file", () => {
  let folder = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "token-"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("is read anew at each use, so that rotating it takes effect", async () => {
    const path = join(folder, "rotated");
    await writeFile(path, "one\n");
    const token = tokenFromFile(path);
    expect(bearerMatches("Bearer one", token)).toBe(true);
    await writeFile(path, "two\n");
    expect(bearerMatches("Bearer one", token)).toBe(false);
    expect(bearerMatches("Bearer two", token)).toBe(true);
  });

  it("stops the start when it is empty or missing", async () => {
    const path = join(folder, "empty");
    await writeFile(path, "\n");
    expect(() => tokenFromFile(path)).toThrow(/is empty/);
    expect(() => tokenFromFile(join(folder, "missing"))).toThrow(/ENOENT/);
  });
});
