import { chmod, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Sandbox, SandboxSpec, Workspace } from "../driver.ts";
import { inPieces, rawTar } from "../workspace/tar.fixture.ts";
import { inside, isRoot, MiB, openWorld, type World } from "./world.fixture.ts";

afterAll(leakCheck);

const most = { bytes: 4 * MiB, entries: 1_000 };
const of = ({ workspace }: Sandbox): Workspace => {
  if (!workspace) throw new Error("it has none");
  return workspace;
};

describe.skipIf(!isRoot)("a workspace (skipped: this is not root)", () => {
  let world: World;
  let base: string;
  beforeAll(async () => {
    world = await openWorld();
    base = join(world.folder, "base");
    await mkdir(join(base, "kept"), { recursive: true });
    await mkdir(join(base, "emptied"));
    for (const file of ["changed", "removed", "kept/same", "emptied/below"])
      await writeFile(join(base, file), "as it was", { mode: 0o666 });
    // As a sandbox's user may change them.
    for (const each of ["", "kept", "emptied"]) await chmod(join(base, each), 0o777);
    for (const file of ["changed", "removed", "kept/same", "emptied/below"])
      await chmod(join(base, file), 0o666);
  });
  afterAll(() => world.close());

  async function used<T>(
    perl: string,
    use: (sandbox: Sandbox) => Promise<T>,
    {
      workspace = { bytes: 8 * MiB },
      archive,
    }: { workspace?: SandboxSpec["workspace"]; archive?: Buffer } = {},
  ): Promise<T> {
    const sandbox = await world.driver.create({ ...world.spec, workspace }, archive && inPieces(archive));
    try {
      expect(await inside(sandbox, `${perl}; "done"`)).toBe("done");
      return await use(sandbox);
    } finally {
      await sandbox.destroy();
    }
  }

  it("tells what was added, changed and removed against its base", async () => {
    const perl = `chdir "/workspace"; open(my $f, ">>", "changed"); print $f "!"; close $f; unlink "removed";
      open($f, ">", "kept/new\\nline"); print $f "12345"; close $f; symlink("/etc/passwd", "link");
      unlink "emptied/below"; rmdir "emptied" or die "rmdir $!"; mkdir "emptied"; mkdir "fresh"; open($f, ">", "fresh/x")`;
    const { changes, complete } = await used(perl, (sandbox) => of(sandbox).diff(), {
      workspace: { base, bytes: 8 * MiB },
    });
    expect(complete).toBe(true);
    expect(changes.filter(({ path }) => path !== "emptied")).toEqual([
      { path: "changed", change: "changed", kind: "file", bytes: 10 },
      { path: "emptied/below", change: "removed", kind: "file", bytes: 9 },
      { path: "fresh", change: "added", kind: "folder", bytes: 0 },
      { path: "fresh/x", change: "added", kind: "file", bytes: 0 },
      { path: "kept/new\nline", change: "added", kind: "file", bytes: 5 },
      { path: "link", change: "added", kind: "link", bytes: 0 },
      { path: "removed", change: "removed", kind: "file", bytes: 9 },
    ]);
  });

  it("says that there is more when more was written than asked for, or deeper than it goes", async () => {
    const many = `for (1..50) { open(my $f, ">", "/workspace/$_") or die }`;
    expect(await used(many, (sandbox) => of(sandbox).diff({ entries: 20 }))).toMatchObject({
      complete: false,
    });
    const deep = `chdir "/workspace"; for (1..300) { mkdir "d"; chdir "d" }`;
    const seen = await used(deep, (sandbox) => of(sandbox).diff());
    expect(seen.complete).toBe(false);
    expect(seen.changes.length).toBeLessThanOrEqual(101);
  });

  it("comes out as an archive that another sandbox begins with, its base included", async () => {
    const perl = `chdir "/workspace"; mkdir "bin", 0750; open(my $f, ">", "bin/run"); print $f "x" x 200000; close $f; chmod 0755, "bin/run"; symlink("../changed", "bin/up"); link("bin/run", "second"); unlink "removed"; my $long = "n" x 200; open($f, ">", $long)`;
    const archive = await used(perl, (sandbox) => buffer(of(sandbox).export(most)), {
      workspace: { base, bytes: 8 * MiB },
    });
    const look = `chdir "/workspace"; join "|", (names(".")), -s "bin/run", (stat "bin/run")[2] & 07777, readlink "bin/up", slurp("bin/up"), (stat "second")[3], (stat "bin/run")[4], open(my $f, ">>", "bin/run") ? "mine" : name()`;
    const seen = await used("1", (sandbox) => inside(sandbox, look), { archive });
    expect(seen).toBe(
      `bin|changed|emptied|kept|${"n".repeat(200)}|second|200000|493|../changed|as it was|1|1000|mine`,
    );
  });

  it.each([
    ["an absolute link", `symlink("/etc/shadow", "/workspace/l")`, "refused"],
    ["a link out of it", `symlink("../outside", "/workspace/l")`, "refused"],
    ["a FIFO", `system("mkfifo", "/workspace/l")`, "refused"],
    [
      "a UNIX socket",
      `use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un("/workspace/l"))`,
      "refused",
    ],
    ["a setuid program", `open(my $f, ">", "/workspace/l"); chmod 04755, "/workspace/l"`, "refused"],
    ["a setgid folder", `mkdir "/workspace/l"; chmod 02755, "/workspace/l"`, "refused"],
    ["a name that is not UTF-8", `open(my $f, ">", "/workspace/\\xff")`, "refused"],
    ["a sparse file of a terabyte", `open(my $f, ">", "/workspace/l"); truncate($f, 1e12)`, "limit"],
    ["more entries than asked for", `for (1..1001) { mkdir "/workspace/$_" }`, "limit"],
    ["folders too deep", `chdir "/workspace"; for (1..200) { mkdir "d"; chdir "d" }`, "limit"],
  ])("does not come out with %s, and leaves that out when told to", async (_, perl, code) => {
    await used(`${perl}; open(my $good, ">", "/workspace/good")`, async (sandbox) => {
      await expect(buffer(of(sandbox).export(most))).rejects.toMatchObject({ name: "WorkspaceError", code });
      const left: string[] = [];
      const others = buffer(of(sandbox).export({ ...most, leaveOut: ({ reason }) => left.push(reason) }));
      if (code === "limit") await expect(others).rejects.toMatchObject({ code });
      else {
        expect((await others).toString("latin1")).toMatch(/^good\0/);
        expect(left).toHaveLength(1);
      }
    });
  });

  it("keeps no descriptor of an export that nobody reads to its end", async () => {
    const open = async (): Promise<number> => (await readdir("/proc/self/fd")).length;
    await used(`for (1..900) { open(my $f, ">", "/workspace/$_"); print $f "x" x 4000 }`, async (sandbox) => {
      const before = await open();
      for (let round = 0; round < 20; round++) {
        const archive = of(sandbox).export(most);
        for await (const _ of archive) break;
      }
      await expect.poll(open, { timeout: 5_000 }).toBeLessThanOrEqual(before + 1);
    });
  });

  it("does not begin with an archive that must not pass, and nothing of the sandbox is left", async () => {
    const before = await readdir(join(world.options.state, "sandboxes"));
    const evil = rawTar([
      { name: "good", content: "x" },
      { name: "../evil", content: "x" },
    ]);
    await expect(world.driver.create(world.spec, inPieces(evil))).rejects.toMatchObject({
      code: "refused",
      field: "workspace.archive",
    });
    const large = rawTar([{ name: "large", content: "x".repeat(2 * MiB) }]);
    await expect(
      world.driver.create({ ...world.spec, workspace: { bytes: MiB } }, inPieces(large, 65_536)),
    ).rejects.toMatchObject({ code: "refused", field: "workspace.archive" });
    expect(await readdir(join(world.options.state, "sandboxes"))).toEqual(before);
    expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(`${world.options.state}/sandboxes`);
  });
});
