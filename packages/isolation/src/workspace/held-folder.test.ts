import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { HeldFolder } from "./held-folder.ts";

const name = (text: string): Buffer => Buffer.from(text);

let folder: string;
let held: HeldFolder;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-held-"));
  await mkdir(join(folder, "real"));
  await writeFile(join(folder, "real/file"), "inside");
  held = await HeldFolder.open(folder);
});
afterEach(async () => {
  await held.close();
  await rm(folder, { recursive: true, force: true });
});

// What was a folder or a file when it was looked at may be a link by the time it is opened.
it("follows no link to a folder or a file, whatever was there before", async () => {
  await symlink("/etc", join(folder, "folder"));
  await symlink("/etc/hostname", join(folder, "file"));
  await expect(held.folder(name("folder"))).rejects.toThrow(/ELOOP|ENOTDIR/);
  await expect(held.file(name("file"))).rejects.toMatchObject({ code: "ELOOP" });
  await expect(HeldFolder.open(join(folder, "folder"))).rejects.toThrow(/ELOOP|ENOTDIR/);
  expect((await held.look(name("folder")))?.isSymbolicLink()).toBe(true);
});

it("neither waits for a FIFO nor takes it for a file", async () => {
  execFileSync("/usr/bin/mkfifo", [join(folder, "fifo")]);
  await expect(held.file(name("fifo"))).rejects.toMatchObject({ code: "changed" });
});

it("stays in the folder that it opened, when another takes its name", async () => {
  const real = await held.folder(name("real"));
  await rename(join(folder, "real"), join(folder, "moved"));
  await symlink("/etc", join(folder, "real"));
  expect((await real.names(10))?.map(String)).toEqual(["file"]);
  await real.close();
});

it("answers with all names or none", async () => {
  expect(await held.names(0)).toBeUndefined();
  expect((await held.names(1))?.map(String)).toEqual(["real"]);
});
