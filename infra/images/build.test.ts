import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

/** Without a Docker client on PATH: what is refused is refused before anything is built. */
const build = (...args: string[]) => {
  const path = join(import.meta.dirname, "build.sh");
  return spawnSync("/bin/sh", [path, ...args], { encoding: "utf8", env: { PATH: "/usr/bin:/bin" } });
};
const digest = `sha256:${"0".repeat(64)}`;

it.each([
  ["by a tag", ["--base", "node:26"]],
  ["by a shortened digest", ["--base", "node@sha256:0000"]],
  ["by a digest with more behind it", ["--base", `node@${digest}0`]],
  ["by a tag, for runners", ["--base", `node@${digest}`, "--runner-base", "debian:13"]],
])("a base that is named %s is refused: whoever may push could change it", (_, args) => {
  const { status, stderr } = build(...args);
  expect(status).toBe(64);
  expect(stderr).toContain("name the image by its digest");
});

it.each([[[]], [["--tag", "x"]], [["--base"]], [["--bass", "x"]]])(
  "%j is answered with the usage",
  (args) => {
    const { status, stderr } = build(...args);
    expect(status).toBe(64);
    expect(stderr).toContain("Usage: pnpm images");
  },
);
