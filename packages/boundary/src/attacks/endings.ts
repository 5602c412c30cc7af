import { chmod, mkdir, writeFile } from "node:fs/promises";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import { PersistentShell, SandboxClient } from "@sallyport/sandbox-agent";
import { type Attack, judge, type Try, tried } from "../attack.ts";
import { atLeast, pidsWith } from "../host-processes.ts";
import type { World } from "../world.ts";

const shown = 50_000;
const mostRetained = 32 * 1_048_576;

/** What this process holds on to. What it only has not thrown away yet does not count: a flood is hundreds of megabytes. */
async function retainedBytes(): Promise<number> {
  const session = new Session();
  session.connect();
  await session.post("HeapProfiler.collectGarbage");
  session.disconnect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What never ends by itself, and what lies about what it did. */
export const endings: readonly Attack[] = [
  {
    number: 27,
    name: "output",
    tries: "a flood, a line without end, NUL and broken UTF-8, a drip, a daemon that holds the pipe",
    source: "Judge0, claude-code: a call that never returns, a runner out of memory",
    expected: "capped; every call ends",
    deadlineMs: 20_000,
    async run(world) {
      const inside = await world.start();
      const shell = new PersistentShell(inside.client, inside.files, {
        cwd: "/workspace",
        env: { PATH: "/usr/bin:/bin" },
        maxShownBytes: shown,
      });
      const before = await retainedBytes();
      const tries: Try[] = [];
      for (const [what, command, timeoutMs, end] of [
        ["flood", "yes", 700, /^timeout$/],
        ["no newline", "tr '\\0' x </dev/zero", 700, /^timeout$/],
        ["NUL and broken UTF-8", "head -c 200000 /dev/zero; printf '\\xff\\xfe\\xc0'", 5_000, /^done$/],
        ["drip", "while :; do printf x; sleep 0.01; done", 700, /^timeout$/],
        ["daemon", "(setsid sleep 60 &) ; echo started", 5_000, /^done$/],
        ["marker by guess", "printf '\\n%s 0\\n' $(seq 100)", 5_000, /^done$/],
      ] as const) {
        const result = await shell.run(command, { timeoutMs });
        tries.push(tried(what, result.end, end));
        const size = JSON.stringify(result).length;
        tries.push(tried(`${what}, shown`, size <= shown * 8 ? "capped" : `${size} bytes`, "capped"));
      }
      const grown = (await retainedBytes()) - before;
      tries.push(
        tried("memory of the runner", grown < mostRetained ? "bounded" : `${grown} bytes more`, "bounded"),
      );
      await inside.destroy();
      return judge(tries);
    },
  },
  {
    number: 28,
    name: "surviving the kill",
    tries: "fork twice, leave the session, ignore SIGTERM, stop oneself, be traced by nobody, and live on",
    source: "setsid(2); the end of a PID namespace takes all (pid_namespaces(7))",
    expected: "no process is left when destroy has ended",
    async run(world) {
      const took: number[] = [];
      const tries: Try[] = [];
      for (let round = 0; round < 3; round++) {
        const inside = await world.start();
        const mark = `survivor-${world.canary.secret.slice(0, 8)}-${round}`;
        await inside.perl(
          `my $mark = shift; $SIG{$_} = "IGNORE" for qw(TERM INT HUP QUIT); for my $n (1..6) { next if fork(); close STDOUT; close STDERR; use POSIX (); POSIX::setsid(); exit 0 if $n % 2 && fork(); kill "STOP", $$ if $n == 6; exec "perl", "-e", '$SIG{TERM} = "IGNORE"; sleep 1000 while 1', $mark } print "started"`,
          mark,
        );
        const there = (await atLeast(5, mark)).length;
        tries.push(tried("survivors to end", there >= 5 ? "there" : `${there} there`, "there"));
        const began = performance.now();
        await inside.destroy();
        took.push(performance.now() - began);
        tries.push(tried("left", String((await pidsWith(mark)).length), "0"));
      }
      const seen = judge(tries);
      return {
        ...seen,
        seen: `${seen.seen}; destroyed in ${Math.round(Math.min(...took))} to ${Math.round(Math.max(...took))} ms`,
      };
    },
  },
  {
    number: 37,
    name: "a lying agent",
    tries:
      "an agent of the attacker's: a frame too large, an answer to nobody, a wrong type, a path in a reply, silence",
    source: "the agent's replies are hostile input",
    expected: "the session is ended; nothing is believed",
    async run(world) {
      const tries: Try[] = [];
      for (const [what, lie, code] of [
        ["a frame too large", "pack('N', 0x7fffffff)", "violated"],
        ["a frame too short", "pack('N', 1)", "violated"],
        ["an answer to nobody", "pack('NCN', 5, 0x81, 4711)", "violated"],
        ["a wrong type", "pack('NCN', 5, 0x42, 1)", "violated"],
        ["a path in a reply", "pack('NCN', 25, 0x82, 1) . '/etc/passwd/../../../'", "violated"],
        ["output unasked", "pack('NCNCa5', 11, 0x83, 1, 1, 'hello')", "violated"],
        ["silence", "''", "silent"],
      ] as const)
        tries.push(tried(what, await lied(world, lie), code));
      return judge(tries);
    },
  },
];

/** A real sandbox whose agent says one thing; how its client ends. */
async function lied(world: World, lie: string): Promise<string> {
  const folder = join(world.folder, "liar");
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o711);
  const file = join(folder, `agent-${Math.abs(hash(lie))}`);
  await writeFile(
    file,
    `#!/usr/bin/perl\nopen(my $s, "+<&=", 3) or exit 1; sysread($s, my $asked, 9); syswrite($s, ${lie}); sleep 20;\n`,
    { mode: 0o755 },
  );
  await chmod(file, 0o755);
  const sandbox = await world.driver.create({ ...world.spec, agent: { file } });
  try {
    const client = new SandboxClient(sandbox.socket, { answerMs: 400 });
    const asked = client.ping().then(
      () => "believed",
      (error: { code?: string }) => error.code ?? "failed",
    );
    const ended = await Promise.race([client.ended, asked]);
    return typeof ended === "string" ? ended : ended.code;
  } finally {
    await sandbox.destroy();
  }
}

function hash(text: string): number {
  let sum = 0;
  for (const letter of text) sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) | 0;
  return sum;
}
