import { execFile } from "node:child_process";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { BuildAgentError, buildAgent } from "./build-agent.ts";

const run = promisify(execFile);
let cacheFolder: string;
beforeEach(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), "sallyport-build-agent-"));
});
afterEach(async () => {
  await rm(cacheFolder, { recursive: true, force: true });
});

it("the agent is compiled once, whole for several callers at once, and needs no library", async () => {
  const all = await Promise.all([1, 2, 3].map(() => buildAgent({ cacheFolder })));
  const [binary = ""] = all;
  expect(new Set(all).size).toBe(1);
  expect(await readdir(cacheFolder)).toHaveLength(1);
  expect(await buildAgent({ cacheFolder })).toBe(binary);
  // Without its socket it does nothing.
  await expect(run(binary)).rejects.toMatchObject({ code: 64 });
  const { stdout } = await run("readelf", ["-l", binary]);
  expect(stdout).not.toContain("INTERP");
});

it("a machine without a compiler, and without pip to fetch one, is told what to install", async () => {
  const python = join(cacheFolder, "python");
  await writeFile(python, "#!/bin/sh\necho 'No module named pip' >&2\nexit 1\n");
  await chmod(python, 0o755);
  const failure = buildAgent({ cacheFolder, compilers: ["no-such-compiler"], python });
  await expect(failure).rejects.toThrow(BuildAgentError);
  await expect(failure).rejects.toThrow(/no-such-compiler: not on this machine.*No module named pip/s);
  expect(await readdir(cacheFolder)).toEqual(["python"]);
});
