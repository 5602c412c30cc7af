import { BootError } from "@sallyport/runtime";

/** Exit codes: those of sysexits.h where it has one that fits. */
export const exitCodes = {
  ok: 0,
  /** A check failed, or what was asked for is not there. */
  failed: 1,
  usage: 2,
  unavailable: 69,
  software: 70,
  refused: 77,
  config: 78,
} as const;
export type ExitReason = keyof typeof exitCodes;

/** An expected failure of a command: what happened, which setting did it, what to do. */
export class CommandFailure extends BootError {
  override readonly name = "CommandFailure";
  override readonly exitCode: number;
  readonly reason: ExitReason;

  constructor(
    reason: ExitReason,
    what: string,
    options: { setting?: string; fix?: string; cause?: unknown } = {},
  ) {
    super(what, options);
    this.reason = reason;
    this.exitCode = exitCodes[reason];
  }
}
