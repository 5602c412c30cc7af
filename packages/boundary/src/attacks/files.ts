import { chmod, mkdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { IsolationError } from "@sallyport/isolation";
import { PersistentShell, SandboxError } from "@sallyport/sandbox-agent";
import { type Attack, judge, type Try, tried } from "../attack.ts";
import type { World } from "../world.ts";
import { hostileExport, hostileImports } from "./archives.ts";

/** What the sandbox's own agent answers to a file tool: the canary, its own content, or a refusal in our words. */
async function outcome(act: () => Promise<unknown>, secret: string): Promise<string> {
  try {
    const got = await act();
    const text = JSON.stringify(got, (_, value) =>
      value?.type === "Buffer" ? Buffer.from(value.data).toString("latin1") : value,
    );
    return text?.includes(secret) ? "the canary" : "its own";
  } catch (error) {
    if (error instanceof SandboxError && error.code === "failed") return "refused";
    return error instanceof Error ? error.message : "failed";
  }
}

const inside = /^(?:refused|its own)$/;

/** Files that lead elsewhere, and files that a host would run. */
export const files: readonly Attack[] = [
  {
    number: 21,
    name: "links, pipes and races",
    tries:
      "follow symlinks, hard links, magic links, a FIFO and a rename race with each file tool, import and export",
    source: "CVE-2024-28185, CVE-2024-28189 (Judge0)",
    expected: "refused, or the sandbox's own",
    deadlineMs: 25_000,
    async run(world) {
      const { secretFile } = world.neighbours;
      const { secret } = world.canary;
      const sandbox = await world.start();
      await sandbox.perl(
        `my $to = shift; symlink $to, "/workspace/link"; symlink "/proc/1/root$to", "/workspace/magic"; symlink "/proc/self/fd/3", "/workspace/fd"; symlink "/", "/workspace/root"; symlink "../../../../../..$to", "/workspace/up"; link "/etc/passwd", "/workspace/hard"; system "mkfifo", "/workspace/fifo"; open(my $f, ">", "/workspace/race"); print $f "own"`,
        secretFile,
      );
      const read = (path: string) => () => sandbox.files.read(path, { limit: 4096 });
      const tries: Try[] = [];
      for (const path of [
        "link",
        "magic",
        "fd",
        "up",
        "hard",
        `root${secretFile}`,
        secretFile,
        `/proc/1/root${secretFile}`,
      ])
        tries.push(tried(`read ${path}`, await outcome(read(path), secret), inside));
      tries.push(tried("read fifo", await outcome(read("fifo"), secret), "refused"));
      tries.push(tried("stat link", await outcome(() => sandbox.files.stat("link"), secret), inside));
      tries.push(
        tried(
          "grep",
          await outcome(
            () => sandbox.files.grep({ pattern: secret.slice(0, 20), path: "/workspace" }),
            secret,
          ),
          inside,
        ),
        tried(
          "grep link",
          await outcome(() => sandbox.files.grep({ pattern: secret.slice(0, 20), path: "link" }), secret),
          inside,
        ),
      );
      tries.push(
        tried("glob", await outcome(() => sandbox.files.glob(`${world.folder}/**`), secret), inside),
      );
      const wrote = await outcome(() => sandbox.files.write("link", Buffer.from("changed")), secret);
      tries.push(tried("write link", wrote, inside));
      const racer = await sandbox.client.exec({
        argv: [
          "perl",
          "-e",
          'while (1) { symlink $ARGV[0], "/workspace/next"; rename "/workspace/next", "/workspace/race"; open(my $f, ">", "/workspace/next"); rename "/workspace/next", "/workspace/race" }',
          secretFile,
        ],
        cwd: "/workspace",
      });
      racer.discard();
      for (let turn = 0; turn < 20; turn++) {
        tries.push(tried("read race", await outcome(read("race"), secret), inside));
        tries.push(
          tried(
            "write race",
            await outcome(() => sandbox.files.write("race", Buffer.from("x")), secret),
            inside,
          ),
        );
      }
      tries.push(...(await hostileExport(world, sandbox, { racing: true })));
      racer.kill();
      await racer.exit;
      tries.push(...(await hostileExport(world, sandbox, { racing: false })));
      await sandbox.destroy();
      tries.push(...(await hostileImports(world)));
      const after = await readFile(secretFile, "utf8");
      return judge([
        ...tries,
        tried("the host's file", after.trim() === secret ? "as it was" : "changed", "as it was"),
      ]);
    },
  },
  {
    number: 22,
    name: "a swapped source",
    tries:
      "put a link to a file of the host in the place of the egress socket, the agent and the base folder",
    source: "CVE-2021-30465 (runc): checked as one file, mounted as another",
    expected: "no sandbox, or not the canary",
    async run(world) {
      const folder = join(world.folder, "swapped");
      // Closed to everybody but the runner: only a mount could bring it inside.
      const closed = join(folder, "closed");
      await mkdir(closed, { recursive: true });
      await chmod(folder, 0o711);
      await chmod(closed, 0o700);
      const target = join(closed, "secret");
      await writeFile(target, world.canary.secret, { mode: 0o666 });
      const socket = join(folder, "egress.sock");
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(socket, resolve));
      await rename(socket, `${socket}.away`);
      await symlink(target, socket);
      const before = await stat(target);
      const seen = await swappedSocket(world, socket);
      const after = await stat(target);
      await new Promise((resolve) => server.close(resolve));
      return judge([
        tried("a link for the socket", seen, /^(?:refused|ENOENT|EACCES|ENXIO)$/),
        tried("the file's owner", after.uid === before.uid ? "as it was" : "changed", "as it was"),
      ]);
    },
  },
  {
    number: 23,
    name: "what a host would run",
    tries:
      "plant git hooks, filters, shell start files and a preload, then have the runner work there and put it away",
    source: "CVE-2024-32002 (git); claude-code: hooks of a workspace run outside",
    expected: "none runs outside; none runs by itself inside",
    async run(world) {
      const mark = join(world.folder, "hooked");
      const sandbox = await world.start();
      await sandbox.perl(
        String.raw`my $mark = shift; my $bad = "#!/bin/sh\ntouch $mark /workspace/ran\n"; for (qw(/workspace/.git /workspace/.git/hooks /workspace/bin /tmp/home)) { mkdir $_ }
for my $file (map({ "/workspace/.git/hooks/$_" } qw(post-checkout pre-commit post-merge fsmonitor)), "/workspace/.bashrc", "/workspace/.profile", "/workspace/.envrc", "/tmp/home/.bashrc", "/tmp/home/.bash_profile", "/tmp/home/.bash_logout", "/workspace/bin/mount", "/workspace/bin/umount", "/workspace/bin/bash") { open(my $f, ">", $file) or next; print $f $bad; close $f; chmod 0755, $file }
open(my $g, ">", "/workspace/.gitattributes"); print $g "* filter=x\n"; open(my $c, ">", "/workspace/.git/config"); print $c "[core]\nfsmonitor = touch $mark\n[filter \"x\"]\nclean = touch $mark\nsmudge = touch $mark\n";`,
        mark,
      );
      const shell = new PersistentShell(sandbox.client, sandbox.files, {
        cwd: "/workspace",
        env: { PATH: "/usr/bin:/bin", HOME: "/tmp/home" },
      });
      const { exitCode } = await shell.run("cd /workspace; true");
      await sandbox.files.glob("**");
      const ran = await outcome(() => sandbox.files.stat("ran"), "kind");
      await sandbox.destroy();
      const outside = await stat(mark).then(
        () => "ran",
        () => "did not run",
      );
      return judge([
        tried("the shell", String(exitCode), "0"),
        tried("start files inside", ran, "refused"),
        tried("outside", outside, "did not run"),
      ]);
    },
  },
];

async function swappedSocket(world: World, socket: string): Promise<string> {
  try {
    const sandbox = await world.start({ egress: { socket } });
    const seen = await sandbox.perl(
      `my $at = "/run/sallyport/egress.sock"; print -s $at ? slurp($at) || to_read($at) : unix_to($at)`,
    );
    await sandbox.destroy();
    return seen.includes(world.canary.secret) ? "the canary" : seen;
  } catch (error) {
    if (error instanceof IsolationError || error instanceof SandboxError) return "refused";
    throw error;
  }
}
