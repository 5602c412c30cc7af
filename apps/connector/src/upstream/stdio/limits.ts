/** Bounds of one server's processes; times in milliseconds. */
export interface StdioLimits {
  /** One line of a server, which is one message. */
  readonly maxLineBytes: number;
  /** What waits to be read by a server. */
  readonly maxInputBytes: number;
  readonly maxInFlight: number;
  /** Messages of a server that nobody listens to yet. */
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  /** From the start to the answer to `initialize`. */
  readonly startMs: number;
  /** Without a session (2026-07-28): a process that served nobody for so long ends. */
  readonly idleMs: number;
  /** A session without calls and without an open stream for so long ends. */
  readonly sessionIdleMs: number;
  /** Takes no new calls from so long before its lease ends. More than what leases are renewed before. */
  readonly retireBeforeMs: number;
  /** Calls that still run are broken off so long before its lease ends. */
  readonly stopBeforeMs: number;
  /** A process that lived so long was started well. */
  readonly settledMs: number;
  readonly firstBackoffMs: number;
  readonly mostBackoffMs: number;
  /** After the end of its input, until SIGTERM, and until SIGKILL. */
  readonly termAfterMs: number;
  readonly killAfterMs: number;
}

export const defaultStdioLimits: StdioLimits = {
  maxLineBytes: 8 * 1024 * 1024,
  maxInputBytes: 16 * 1024 * 1024,
  maxInFlight: 256,
  maxQueued: 256,
  maxQueuedBytes: 4 * 1024 * 1024,
  startMs: 30_000,
  idleMs: 5 * 60_000,
  sessionIdleMs: 30 * 60_000,
  retireBeforeMs: 16_000,
  stopBeforeMs: 5_000,
  settledMs: 60_000,
  firstBackoffMs: 250,
  mostBackoffMs: 30_000,
  termAfterMs: 1_000,
  killAfterMs: 3_000,
};
