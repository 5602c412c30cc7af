import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { importArchive } from "./import-archive.ts";
import { inPieces, type RawEntry, rawTar } from "./tar.fixture.ts";
import { WorkspaceError } from "./workspace-error.ts";

let around: string;
let folder: string;
beforeEach(async () => {
  around = await mkdtemp(join(tmpdir(), "sallyport-import-"));
  folder = join(around, "workspace");
  await mkdir(folder);
  await writeFile(join(around, "outside"), "as it was");
});
afterEach(() => rm(around, { recursive: true, force: true }));

const limits = { bytes: 10_000, entries: 50 };
const take = (archive: Buffer, change = {}): Promise<void> =>
  importArchive(inPieces(archive), { folder, owner: undefined, ...limits, ...change });

async function untouched(): Promise<void> {
  expect(await readdir(around)).toEqual(["outside", "workspace"]);
  expect(await readFile(join(around, "outside"), "utf8")).toBe("as it was");
}

describe("an archive's content", () => {
  it("becomes files, folders and links with their modes, and parents that it never named", async () => {
    await take(
      rawTar([
        { name: "./", type: "5" },
        { name: "./bin/", type: "5", mode: 0o750 },
        { name: "bin/run", mode: 0o755, content: "#!/bin/sh\n" },
        { name: "deep/er/note", content: "text" },
        { name: "deep/", type: "5", mode: 0o700 },
        { name: "deep/er/up", type: "2", link: "../../bin/run" },
        { name: "short", pax: { path: `${"long".repeat(50)}/name`, mtime: "1.5" }, content: "x" },
        { name: "a\nb" },
      ]),
    );
    expect((await readdir(folder)).sort()).toEqual(["a\nb", "bin", "deep", "long".repeat(50)]);
    expect((await lstat(join(folder, "bin"))).mode & 0o7777).toBe(0o750);
    expect((await lstat(join(folder, "bin/run"))).mode & 0o7777).toBe(0o755);
    expect((await lstat(join(folder, "deep"))).mode & 0o7777).toBe(0o700);
    expect(await readFile(join(folder, "deep/er/note"), "utf8")).toBe("text");
    expect(await readlink(join(folder, "deep/er/up"))).toBe("../../bin/run");
    expect(await readFile(join(folder, "long".repeat(50), "name"), "utf8")).toBe("x");
  });

  it.each([1, 512, 100_000])("is the same in pieces of %i bytes", async (size) => {
    const archive = rawTar([{ name: "a/b", content: "x".repeat(2_000) }]);
    await importArchive(inPieces(archive, size), { folder, owner: undefined, ...limits });
    expect(await readFile(join(folder, "a/b"), "utf8")).toBe("x".repeat(2_000));
  });
});

const good: RawEntry = { name: "good", content: "good" };
const refused: readonly (readonly [string, RawEntry | readonly RawEntry[]])[] = [
  ["an absolute path", { name: "/etc/passwd", content: "x" }],
  ["a path with ..", { name: "a/../../outside", content: "x" }],
  ["a path that only pax gives", { name: "a", pax: { path: "../outside" }, content: "x" }],
  ["an empty name in a path", { name: "a//b" }],
  ["a dot in a path", { name: "a/./b" }],
  ["a NUL in a path", { name: "a", pax: { path: "a\0b" } }],
  ["no name", { name: "", content: "x" }],
  ["a file that replaces the workspace", { name: "./", type: "0", content: "x" }],
  ["a link that replaces the workspace", { name: ".", type: "2", link: "x" }],
  ["a file named as a folder", { name: "a/", content: "x" }],
  ["an absolute link", { name: "a", type: "2", link: "/etc" }],
  ["a link out of the workspace", { name: "a/b", type: "2", link: "../../outside" }],
  ["a link whose .. follows a name", { name: "a/b/c", type: "2", link: "d/../../x" }],
  ["a link out that only pax gives", { name: "a", type: "2", link: "b", pax: { linkpath: "../b" } }],
  ["an empty link", { name: "a", type: "2", link: "" }],
  ["a hard link", [good, { name: "a", type: "1", link: "good" }]],
  ["a character device, which an overlay takes for a removal", { name: "a", type: "3" }],
  ["a block device", { name: "a", type: "4" }],
  ["a FIFO", { name: "a", type: "6" }],
  ["a sparse file", { name: "a", type: "S" }],
  ["an unknown kind", { name: "a", type: "Z" }],
  ["setuid", { name: "a", mode: 0o4755 }],
  ["setgid", { name: "a/", type: "5", mode: 0o2755 }],
  ["an extended attribute", { name: "a", pax: { "SCHILY.xattr.trusted.overlay.opaque": "y" } }],
  ["an ACL", { name: "a", pax: { "SCHILY.acl.access": "user::rwx" } }],
  ["a folder with content", { name: "a/", type: "5", content: "x" }],
  ["a link with content", { name: "a", type: "2", link: "b", content: "x" }],
  ["the same name twice", [good, { name: "./good" }]],
  ["a folder where a file is", [good, { name: "good/", type: "5" }]],
  ["an entry below a file", [good, { name: "good/below" }]],
  [
    "an entry below a link",
    [
      { name: "here", type: "5" },
      { name: "link", type: "2", link: "here" },
      { name: "link/x", content: "x" },
    ],
  ],
];

describe("an archive is refused whole for", () => {
  it.each(refused)("%s", async (_, entries) => {
    const archive = rawTar([{ name: "first/file", content: "x" }, ...[entries].flat()]);
    await expect(take(archive)).rejects.toMatchObject({ name: "WorkspaceError", code: "refused" });
    expect(await readdir(folder)).toEqual([]);
    await untouched();
  });

  it.each<[string, readonly RawEntry[], object]>([
    [
      "files larger than allowed",
      [
        { name: "b", content: "x".repeat(6_000) },
        { name: "c", content: "x".repeat(5_000) },
      ],
      {},
    ],
    ["a size that no archive could hold", [{ name: "a", size: 0o77777777777 }], {}],
    ["more entries than allowed", Array.from({ length: 6 }, (_, at) => ({ name: `f${at}` })), { entries: 5 }],
    ["more unnamed parents than allowed", [{ name: "a/b/c/d/e/f" }], { entries: 5 }],
    ["folders too deep", [{ name: "x", pax: { path: "d/".repeat(101) }, type: "5" }], {}],
    ["a name too long", [{ name: "x", pax: { path: "n".repeat(256) } }], {}],
    ["a path too long", [{ name: "x", pax: { path: "n/".repeat(2_048) } }], {}],
  ])("%s", async (_, entries, change) => {
    await expect(take(rawTar([good, ...entries]), change)).rejects.toMatchObject({ code: "limit" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("an absolute path, by its own reason", async () => {
    await expect(take(rawTar([{ name: "/a" }]))).rejects.toMatchObject({ reason: "an absolute path" });
  });

  it("a size that is negative, or in a form that is no number", async () => {
    const archive = rawTar([good, { name: "a" }]);
    archive.write("-0000000001\0", 1_024 + 124);
    await expect(take(archive)).rejects.toMatchObject({ code: "damaged" });
    expect(await readdir(folder)).toEqual([]);
  });

  it("an end without its mark, in an entry or between two", async () => {
    const archive = rawTar([good, { name: "next", content: "x".repeat(600) }]);
    for (const length of [100, 512, 600, 1_024, 2_000, archive.length - 1_024, archive.length - 512]) {
      await expect(take(archive.subarray(0, length))).rejects.toMatchObject({ code: "damaged" });
      expect(await readdir(folder)).toEqual([]);
    }
    await expect(take(Buffer.alloc(0))).rejects.toMatchObject({ code: "damaged" });
  });

  it("a stream without end", async () => {
    let gave = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        gave += 65_536;
        yield Buffer.alloc(65_536);
      }
    }
    await expect(importArchive(endless(), { folder, owner: undefined, ...limits })).rejects.toMatchObject({
      code: "limit",
    });
    expect(gave).toBeLessThan(3_000_000);
  });

  it("a source that fails", async () => {
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield rawTar([good]).subarray(0, 1_024);
      throw new Error("the store went away");
    }
    await expect(importArchive(failing(), { folder, owner: undefined, ...limits })).rejects.toThrow(
      "the store went away",
    );
    expect(await readdir(folder)).toEqual([]);
  });
});

const part = fc.constantFrom("a", "b", "c", "..", ".", "", "d\n");
const anyPath = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const anyEntry: fc.Arbitrary<RawEntry> = fc.record({
  name: fc.oneof({ weight: 3, arbitrary: fc.constantFrom("a", "b/", "a/b", "c/a/b", "b/c") }, anyPath),
  type: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("0", "5", "2") },
    fc.constantFrom("1", "3", "6", "x", "g", "L", "7"),
  ),
  mode: fc.oneof({ weight: 5, arbitrary: fc.constant(0o755) }, fc.integer({ min: 0, max: 0o7777 })),
  link: fc.oneof(anyPath, fc.constantFrom("a", "../a", "b/c", "/etc")),
  content: fc.oneof({ weight: 2, arbitrary: fc.constant("") }, fc.string({ maxLength: 600 })),
});

/** Everything below, with where a link leads: no link may leave, whatever it goes through. */
async function escapes(path: string, root: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const full = join(path, entry.name);
    if (entry.isDirectory()) found.push(...(await escapes(full, root)));
    else if (entry.isSymbolicLink()) {
      // Followed by hand, name by name, as the kernel would.
      let at = path;
      let rest = (await readlink(full)).split("/");
      for (let step = 0; rest.length > 0 && step < 100; step++) {
        const [name = "", ...more] = rest;
        at = join(at, name);
        rest = more;
        if (at !== root && !at.startsWith(`${root}/`)) found.push(full);
        const here = await lstat(at).catch(() => undefined);
        if (!here?.isSymbolicLink()) continue;
        rest = [...(await readlink(at)).split("/"), ...rest];
        at = join(at, "..");
      }
    } else if (!entry.isFile()) found.push(full);
  }
  return found;
}

describe("whatever is in an archive", () => {
  it("it fills the folder or leaves it empty; nothing in it leads out, and nothing around it changes", async () => {
    let filled = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyEntry, { maxLength: 8 }),
        fc.integer({ min: 1, max: 2_000 }),
        async (entries, size) => {
          await rm(folder, { recursive: true, force: true });
          await mkdir(folder);
          const archive = inPieces(rawTar(entries), size);
          try {
            await importArchive(archive, { folder, owner: undefined, ...limits });
            if (entries.length > 0) filled += 1;
            expect(await escapes(folder, folder)).toEqual([]);
          } catch (error) {
            if (!(error instanceof WorkspaceError)) throw error;
            expect(await readdir(folder)).toEqual([]);
          }
          await untouched();
        },
      ),
      { numRuns: 300 },
    );
    expect(filled).toBeGreaterThan(5);
  });

  it("bytes of it that were changed do no more than that", async () => {
    const archive = rawTar([
      { name: "a/", type: "5" },
      { name: "a/b", content: "text" },
      { name: "a/l", type: "2", link: "b", pax: { mtime: "1" } },
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(archive.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          await rm(folder, { recursive: true, force: true });
          await mkdir(folder);
          const changed = Buffer.from(archive);
          for (const [at, byte] of changes) changed[at] = byte;
          await take(changed).catch(async (error: unknown) => {
            if (!(error instanceof WorkspaceError)) throw error;
            expect(await readdir(folder)).toEqual([]);
          });
          expect(await escapes(folder, folder)).toEqual([]);
          await untouched();
        },
      ),
      { numRuns: 300 },
    );
  });
});
