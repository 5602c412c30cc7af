import { execFileSync } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findTool } from "@sallyport/testkit";
import { expect, onTestFinished, test } from "vitest";
import { reachableBubblewrap } from "./reachable.ts";

async function folders() {
  const root = await mkdtemp(join(tmpdir(), "reachable-"));
  onTestFinished(() => rm(root, { recursive: true }));
  const [closed, open] = [join(root, "closed"), join(root, "open")];
  await mkdir(closed, { mode: 0o700 });
  await mkdir(open, { mode: 0o711 });
  return { closed, open };
}

test("a program in a private folder is copied to where others can run it", async () => {
  const { closed, open } = await folders();
  const hidden = join(closed, "true");
  await copyFile("/bin/true", hidden);
  await chmod(hidden, 0o700);
  const found = await reachableBubblewrap(hidden, open);
  expect(found.startsWith(open)).toBe(true);
  expect((await stat(found)).mode & 0o777).toBe(0o755);
  execFileSync(found);
});

test("the fetched bubblewrap still finds its library", async () => {
  const { open } = await folders();
  const found = await reachableBubblewrap(await findTool("bwrap"), open);
  expect(execFileSync(found, ["--version"], { encoding: "utf8" })).toMatch(/^bubblewrap \d/);
});
