import { IsolationError } from "../isolation-error.ts";

export interface UidRange {
  readonly first: number;
  readonly count: number;
}

/** One uid per living sandbox: resource counters, signals and keys of the kernel go by uid. */
export interface Uids {
  take(): number;
  giveBack(uid: number): void;
}

/** Throws IsolationError("setup") for a range that has root, ordinary users or the overflow uid in it. */
export function uidsOf({ first, count }: UidRange): Uids {
  const overflow = 65_534;
  const last = first + count - 1;
  const whole = Number.isInteger(first) && Number.isInteger(count) && count > 0 && last < 2 ** 31;
  if (!whole || first < 10_000 || (first <= overflow && overflow <= last))
    throw new IsolationError(
      "setup",
      `uids ${first} to ${last}: name a range of 10000 or more, without ${overflow}, that nobody else uses`,
    );
  const taken = new Set<number>();
  // The next one each time, so that a uid rests before it is used again.
  let next = 0;
  return {
    take() {
      for (let tried = 0; tried < count; tried++) {
        const uid = first + next;
        next = (next + 1) % count;
        if (taken.has(uid)) continue;
        taken.add(uid);
        return uid;
      }
      throw new IsolationError("exhausted", `all ${count} uids from ${first} are in use`);
    },
    giveBack: (uid) => void taken.delete(uid),
  };
}
