import { BootError } from "../lifecycle/boot-error.ts";

export interface ConfigProblem {
  /** `file:line:column`, or the environment variable that holds the value. */
  where: string;
  /** The setting's path, `nats.url`; empty for the file as a whole. */
  setting: string;
  /** What was found and what is expected. Never the value of a secret. */
  what: string;
}

/** A configuration that cannot be used. It carries every problem, not only the first. */
export class ConfigError extends BootError {
  override readonly name = "ConfigError";
  /** EX_CONFIG of sysexits.h. */
  override readonly exitCode = 78;
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    super(
      [
        "the configuration cannot be used",
        ...problems.map(
          ({ where, setting, what }) => `  ${where}  ${setting === "" ? what : `${setting}: ${what}`}`,
        ),
      ].join("\n"),
    );
    this.problems = problems;
  }
}
