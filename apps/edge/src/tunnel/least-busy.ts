/** What the choice among tunnels looks at. */
interface Candidate {
  link: { quiet: boolean };
  grants: { inUse: number };
}

/**
 * The tunnel for a new call. One that has gone quiet may be dead and not yet known to be: it is the last to be asked.
 * Then the one with the fewest calls, and among equals the next one in turn.
 */
export function leastBusy<T extends Candidate>(tunnels: readonly T[], turn: number): T | undefined {
  let best: T | undefined;
  for (let at = 0; at < tunnels.length; at += 1) {
    const one = tunnels[(at + turn) % tunnels.length];
    if (one && (best === undefined || isBetter(one, best))) best = one;
  }
  return best;
}

function isBetter(one: Candidate, than: Candidate): boolean {
  const { quiet } = one.link;
  return quiet === than.link.quiet ? one.grants.inUse < than.grants.inUse : !quiet;
}
