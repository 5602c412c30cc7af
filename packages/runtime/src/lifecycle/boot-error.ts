export interface BootErrorOptions {
  /** The setting or rule that did it, as the operator writes it: `nats.url`. */
  setting?: string;
  /** What to do about it, as an instruction. */
  fix?: string;
  cause?: unknown;
}

/**
 * A start that failed for a reason an operator can mend. It is printed without a stack: what happened, which setting
 * did it, what to do. Anything else that is thrown while booting is a fault of the program and keeps its stack.
 */
export class BootError extends Error {
  override readonly name: string = "BootError";
  readonly setting: string | undefined;
  readonly fix: string | undefined;
  readonly exitCode: number = 1;

  constructor(what: string, options: BootErrorOptions = {}) {
    super(what, options.cause === undefined ? undefined : { cause: options.cause });
    this.setting = options.setting;
    this.fix = options.fix;
  }

  /** The whole message for a terminal, several lines without an indent. */
  describe(): string {
    const lines = [this.message];
    if (this.setting !== undefined) lines.push(`setting: ${this.setting}`);
    if (this.fix !== undefined) lines.push(`fix: ${this.fix}`);
    return lines.join("\n");
  }
}
