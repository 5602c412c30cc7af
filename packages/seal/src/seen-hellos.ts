/** A hello is fresh when its time is at most this far from the connector's clock, in either direction. */
export const FRESH_MS = 2 * 60_000;

export interface SeenHellos {
  /** Says whether this hello may be answered, and remembers it until it is stale. Checks and notes at once. */
  admit(key: string, time: Date, now: Date): "new" | "replayed" | "full";
  readonly size: number;
}

/**
 * The connector's memory of hellos: one for the life of the process. Only hellos with a valid signature come
 * here, so nobody but an enrolled edge can fill it; when it is full, new hellos are refused, never forgotten.
 *
 * A connector that restarts starts with an empty memory. A hello replayed then is answered, but to no use:
 * the session's keys also need the private half of the ephemeral key in the hello, which its edge has dropped.
 */
export function seenHellos(capacity = 65_536): SeenHellos {
  const staleAt = new Map<string, number>();
  return {
    admit(key, time, now) {
      if (staleAt.has(key)) return "replayed";
      if (staleAt.size >= capacity) forgetStale(staleAt, now);
      if (staleAt.size >= capacity) return "full";
      staleAt.set(key, time.getTime() + FRESH_MS);
      return "new";
    },
    get size() {
      return staleAt.size;
    },
  };
}

function forgetStale(staleAt: Map<string, number>, now: Date): void {
  for (const [key, end] of staleAt) if (end < now.getTime()) staleAt.delete(key);
}
