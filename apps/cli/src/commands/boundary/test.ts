import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { findBwrap } from "./find-bwrap.ts";
import { isGood, type RunnerReport, reportText, runnerReport } from "./report.ts";
import { type RunnerStart, startRunner } from "./start-runner.ts";

interface Options extends CommonOptions {
  bwrap?: string;
  state?: string;
  only?: string;
}

/** A user of whom nothing else runs. */
const otherUser = 1_999_999_003;
const cache = join(import.meta.dirname, "../../../../../.cache/sandbox-agent");

export function boundaryTestCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "test",
    summary: "try every attack of the list from inside real sandboxes of this machine",
    more:
      "Takes about half a minute. As root, sandboxes of a runner that is root are tried and then those of one that is " +
      "not; as another user the latter. Everything it makes is gone afterwards, and nothing leaves this machine.",
    examples: [
      "boundary test",
      "boundary test --only 1,2,31",
      "boundary test --json | jq '.runners[].results[] | select(.verdict == \"escaped\")'",
    ],
  })
    .option("--bwrap <file>", "bubblewrap 0.11 or later (default: the installed one, or the local stack's)")
    .option("--state <folder>", "where to keep files meanwhile; other users can pass through it", tmpdir())
    .option("--only <numbers>", "attacks to try, such as 1,2,31")
    .action(async (options: Options) => {
      const reports = await tryRunners(context, options);
      run.signal.throwIfAborted();
      const bad = reports.filter((report) => !isGood(report));
      if (options.json) outJson(terminal, { ok: bad.length === 0, runners: reports });
      else for (const report of reports) terminal.out(`${reportText(report, terminal.color)}\n`);
      if (bad.length > 0) throw new CommandFailure("failed", bad.map(complaint).join("\n"));
    });
}

async function tryRunners({ terminal, run }: CommandContext, options: Options): Promise<RunnerReport[]> {
  // Only here: the parts of a sandbox are much, and every command would wait for them.
  const { attacks, buildPrograms } = await import("@sallyport/boundary");
  const { impassable, reachableBubblewrap, weaknesses } = await import("@sallyport/isolation");
  const { state = tmpdir() } = options;
  const only = options.only === undefined ? undefined : numbers(options.only, attacks);
  const found = await findBwrap(options.bwrap);
  const parent = (await impassable(state)) === undefined ? state : "/var/tmp";
  const folder = await mkdtemp(join(parent, "sallyport-boundary-"));
  const put = { close: () => rm(folder, { recursive: true, force: true }) };
  run.use(put, "boundary");
  await chmod(folder, 0o711);
  const bwrap = await reachableBubblewrap(found, folder);
  const programs = await buildPrograms({ cacheFolder: cache, folder }).catch(() =>
    // A cache that is another user's.
    buildPrograms({ cacheFolder: join(folder, "cache"), folder }),
  );
  const reports: RunnerReport[] = [];
  for (const uid of await usersToTry(terminal, impassable)) {
    const runner =
      uid === undefined && process.geteuid?.() === 0 ? "root" : String(uid ?? process.geteuid?.());
    let count = 0;
    const total = only?.length ?? attacks.length;
    const say = (text: string): void => {
      if (terminal.interactive) terminal.say(`\r\x1b[2K${text}`);
    };
    say(`runner ${runner}: proving what the class can do`);
    const start: RunnerStart = {
      ...{ bwrap, programs, uid, only, signal: run.signal, folder: join(folder, runner) },
      onResult: ({ name, verdict }) => say(`runner ${runner}: ${++count} of ${total}, ${name}: ${verdict}`),
    };
    reports.push(runnerReport(runner, await startRunner(start), weaknesses));
    say("");
  }
  return reports;
}

/** Of root: itself, and another user where that one can reach this program. */
async function usersToTry(
  terminal: CommandContext["terminal"],
  impassable: (path: string) => Promise<string | undefined>,
): Promise<readonly (number | undefined)[]> {
  if (process.geteuid?.() !== 0) return [undefined];
  for (const path of [import.meta.dirname, process.execPath]) {
    const closed = await impassable(path);
    if (closed === undefined) continue;
    terminal.say(`A runner of another user is not tried: it could not pass through ${closed}.\n`);
    return [undefined];
  }
  return [undefined, otherUser];
}

function complaint({ runner, refused, results }: RunnerReport): string {
  if (refused !== undefined) return `runner ${runner}: no sandbox starts, every claim is refused`;
  const escaped = results.filter(({ verdict }) => verdict === "escaped");
  const list = escaped.map(({ number }) => number).join(", ");
  return `runner ${runner}: ${escaped.length} of ${results.length} attacks escaped: ${list}`;
}

function numbers(text: string, attacks: readonly { number: number }[]): readonly number[] {
  const known = new Set(attacks.map(({ number }) => number));
  return text.split(",").map((each) => {
    if (/^\d+$/.test(each) && known.has(Number(each))) return Number(each);
    throw new CommandFailure("usage", `there is no attack ${each}`, {
      setting: "--only",
      fix: `numbers from 1 to ${attacks.length}, with commas`,
    });
  });
}
