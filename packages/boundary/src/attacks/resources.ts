import { type Attack, judge, type Seen, type Try, tried, weakerBy } from "../attack.ts";
import { bounds, type World } from "../world.ts";

const MiB = 1_048_576;
const burnerCpus = 0.1;
const noCgroup =
  "This runner can make no cgroup, so memory, processes and processor time have no limit: run it as root, or delegate a cgroup to it.";
const noMount =
  "This runner can mount nothing, so a workspace is limited in bytes and not in files: run it as root.";

/** What takes from the neighbours and the host without leaving the sandbox. */
export const resources: readonly Attack[] = [
  {
    number: 24,
    name: "process bombs",
    tries: "fork, make threads and leave zombies without end, while a neighbour works",
    source: "fork bomb; pids cgroup",
    expected: "EAGAIN at its limit; the neighbour works on",
    async run(world) {
      if (!world.proven("limits.pids"))
        return await world.refused({ limits: { pids: bounds.pids } }, noCgroup);
      const tries: Try[] = [];
      const neighbour = await world.start();
      for (const kind of ["forks", "threads", "zombies"]) {
        const bomb = await world.start();
        const told = await bomb.attack(["bombs", kind], (what) => (what === "made" ? /^\d+$/ : /^EAGAIN$/));
        const made = Number(told.find(({ what }) => what === "made")?.saw ?? Number.NaN);
        tries.push(
          ...told
            .filter(({ what }) => what !== "made")
            .map((one) => ({ ...one, what: `${kind} ${one.what}` })),
        );
        tries.push(
          tried(
            kind,
            made > 10 && made <= bounds.pids ? "up to its limit" : `made ${made}`,
            "up to its limit",
          ),
        );
        const ran = await neighbour.run(["sh", "-c", "true | true"]);
        tries.push(tried("the neighbour", ran.code === 0 ? "works" : `code ${ran.code}`, "works"));
        await bomb.destroy();
      }
      await neighbour.destroy();
      return judge(tries);
    },
  },
  {
    number: 25,
    name: "memory bombs",
    tries: "fill anonymous and locked memory, memfd, /dev/shm, pipe buffers and the page cache",
    source: "tmpfs and memfd are nobody's resident memory; memory cgroup",
    expected: "ended or refused inside; the neighbour lives",
    deadlineMs: 25_000,
    async run(world) {
      if (!world.proven("limits.memoryBytes"))
        return await world.refused({ limits: { memoryBytes: bounds.memoryMiB * MiB } }, noCgroup);
      const neighbour = await world.start();
      const kinds = ["anonymous", "locked", "memfd", "/dev/shm/bomb", "pipes", "/workspace/bomb"];
      const tries = await Promise.all(kinds.map((kind) => memoryBomb(world, kind)));
      const ran = await neighbour.run(["echo", "alive"]);
      const { outOfMemoryKills } = await neighbour.destroy();
      return judge([
        ...tries.flat(),
        tried("the neighbour", `${ran.stdout.trim()}, ${outOfMemoryKills} killed`, "alive, 0 killed"),
      ]);
    },
  },
  {
    number: 26,
    name: "disk bombs",
    tries:
      "fill every writable folder by bytes, by files and by a sparse file; a tree a thousand folders deep",
    source: "quota; what takes long to delete holds a runner up",
    expected: "ENOSPC at its size; put away in bounded time",
    deadlineMs: 30_000,
    async run(world) {
      const sandbox = await world.start();
      const tries: Try[] = [];
      for (const [folder, mebibytes] of [
        ["/workspace", bounds.workspaceMiB],
        ["/tmp", bounds.temporaryMiB],
        ["/dev/shm", bounds.temporaryMiB],
      ] as const) {
        const saw = await sandbox.perl(
          `my ($at, $most) = @ARGV; my $mib = 0; my $saw = "allowed"; open(my $f, ">", "$at/fill") or do { print name(); exit }; my $piece = "x" x 65536; for (1..$most * 32) { my $n = syswrite($f, $piece); if (!defined $n) { $saw = name(); last } } truncate $f, 0; seek $f, 0, 0; truncate($f, 1 << 40) or $saw .= " sparse " . name(); unlink "$at/fill"; print $saw`,
          folder,
          String(mebibytes),
        );
        tries.push(tried(folder, saw, /^ENOSPC(?: sparse \w+)?$/));
      }
      for (const folder of ["/", "/usr", "/etc", "/dev", "/sallyport", "/run"])
        tries.push(
          tried(
            folder,
            await sandbox.perl(`print to_make("$ARGV[0]/x")`, folder),
            /^E(?:ROFS|ACCES|NOENT|PERM)$/,
          ),
        );
      const deep = await sandbox.perl(
        `chdir "/workspace"; my $n = 0; while ($n < 200) { mkdir "d" or last; chdir "d" or last; $n++ } print $n`,
      );
      tries.push(tried("a deep tree", deep, "200"));
      tries.push(
        tried(
          "a walk through it",
          (await sandbox.files.glob("**/nothing")).truncated ? "bounded" : "whole",
          /^(?:bounded|whole)$/,
        ),
      );
      const byFiles = world.proven("workspace.inodes") ? await inodeBomb(sandbox) : undefined;
      if (byFiles) tries.push(byFiles);
      const began = performance.now();
      await sandbox.destroy();
      const took = performance.now() - began;
      tries.push(tried("put away", took < 5_000 ? "in time" : `${Math.round(took)} ms`, "in time"));
      if (byFiles) return judge(tries);
      const workspace = { bytes: bounds.workspaceMiB * MiB, inodes: bounds.inodes };
      return weakerBy(judge(tries), await world.refused({ workspace }, noMount));
    },
  },
  {
    number: 29,
    name: "processor time",
    tries: "negative nice, real-time and deadline scheduling, I/O priority; burn on every processor at once",
    source: "sched(7); cpu cgroup",
    expected: "EPERM; no more than its share",
    async run(world) {
      const inside = await world.shared();
      const scheduling = judge(await inside.attack(["scheduling"], /^E(?:PERM|ACCES)$/));
      if (!world.proven("limits.cpus"))
        return weakerBy(scheduling, await world.refused({ limits: { cpus: bounds.cpus } }, noCgroup));
      // Small, so that what has no limit is seen on a busy machine too.
      const burner = await world.start({ limits: { ...world.spec.limits, cpus: burnerCpus } });
      const began = performance.now();
      await burner.run(["sh", "-c", "for i in 1 2 3 4; do timeout 1.5 perl -e '1 while 1' & done; wait"]);
      const elapsed = performance.now() - began;
      const { cpuMilliseconds = Number.NaN } = await burner.destroy();
      const share = cpuMilliseconds / elapsed;
      // A quota is given out in periods, so a short run can have one more than its share.
      const held = share <= burnerCpus * 2;
      const burnt = tried("share", held ? "within its share" : share.toFixed(2), "within its share");
      return scheduling.verdict === "held" ? withMore(scheduling, burnt) : scheduling;
    },
  },
];

function withMore(seen: Seen, one: Try): Seen {
  const more = judge([one]);
  return more.verdict === "held" ? { ...seen, seen: `${seen.seen}, ${more.seen}` } : more;
}

/** Locked memory may be refused outright; what is filled must end with the one who filled it. */
async function memoryBomb(world: World, kind: string): Promise<readonly Try[]> {
  const bomb = await world.start();
  const filled = await bomb
    .attack(
      ["memory", kind, String(bounds.memoryMiB * 2)],
      /^(?:signal (?:9|7)|ENOSPC|ENOMEM|EPERM|EAGAIN|EMFILE)$/,
    )
    .catch((): readonly Try[] => [tried(kind, "its sandbox ended", "its sandbox ended")]);
  const { peakMemoryBytes = 0 } = await bomb.destroy();
  const within = peakMemoryBytes <= bounds.memoryMiB * MiB;
  // The kernel may have taken the agent too: then its list was cut short, and that is an end inside.
  const tries = filled.map((one) => (/^cut short/.test(one.saw) ? tried(kind, "ended", "ended") : one));
  return [...tries, tried(`peak of ${kind}`, within ? "within" : `${peakMemoryBytes} bytes`, "within")];
}

async function inodeBomb(sandbox: Awaited<ReturnType<World["start"]>>): Promise<Try> {
  const saw = await sandbox.perl(
    `my $saw = "allowed"; mkdir "/workspace/many"; for (1..$ARGV[0] + 1) { open(my $f, ">", "/workspace/many/$_") or do { $saw = name(); last } } print $saw`,
    String(bounds.inodes),
  );
  return tried("files", saw, "ENOSPC");
}
