/** What this process has launched and not yet put away; `leakCheck` reads it. */
export interface Launched {
  readonly name: string;
  /** Of the present process; undefined when it is not running. */
  readonly pid: () => number | undefined;
  /** A folder that the launcher made, and must remove. */
  readonly temporaryFolder: string | undefined;
  readonly stop: () => Promise<void>;
}

// Module state with a reason: processes and folders belong to the whole process, not to any caller.
const launched = new Set<Launched>();

export function remember(one: Launched): void {
  launched.add(one);
}

export function forget(one: Launched): void {
  launched.delete(one);
}

/** Put away everything that is left, and answer what it was. */
export async function putAwayLeaks(): Promise<string[]> {
  const leaks = [...launched];
  const told = leaks.map((one) => {
    const pid = one.pid();
    const state = pid === undefined ? "ended, not put away" : `pid ${pid} still runs`;
    return one.temporaryFolder
      ? `${one.name}: ${state}, folder ${one.temporaryFolder}`
      : `${one.name}: ${state}`;
  });
  await Promise.allSettled(leaks.map((one) => one.stop()));
  return told;
}
