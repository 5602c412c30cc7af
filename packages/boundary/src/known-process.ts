import { atLeast } from "./host-processes.ts";
import type { Inside } from "./inside.ts";

/** Starts a process inside that can be found on the host by its command line, and answers its host pid. */
export async function knownProcess(inside: Inside, mark: string): Promise<number> {
  await inside.perl(
    `$0 = "x"; my $pid = fork(); if (!$pid) { close STDOUT; close STDERR; exec "perl", "-e", "sleep 300", $ARGV[0] } print $pid`,
    mark,
  );
  const [pid] = await atLeast(1, mark);
  if (pid === undefined) throw new Error("the neighbour did not start");
  return pid;
}
