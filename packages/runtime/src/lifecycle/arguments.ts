import { parseArgs } from "node:util";
import { BootError } from "./boot-error.ts";

export interface ProcessArguments {
  config: string | undefined;
  check: boolean;
  help: boolean;
  version: boolean;
}

/** EX_USAGE of sysexits.h. */
export class UsageError extends BootError {
  override readonly name = "UsageError";
  override readonly exitCode = 64;
}

export function readArguments(args: readonly string[]): ProcessArguments {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        config: { type: "string" },
        check: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        version: { type: "boolean", short: "V", default: false },
      },
    });
    return { ...values, config: values.config };
  } catch (cause) {
    throw new UsageError((cause as Error).message, { fix: "see --help", cause });
  }
}

export function usage(name: string): string {
  return `sallyport-${name}: the ${name} zone of Sallyport

  --config FILE   the settings, YAML; SALLYPORT_<SETTING> in the environment overrides one (nats.url: SALLYPORT_NATS__URL)
  --check         check the settings and exit: 0 when they can be used, 78 when not
  --help          this text
  --version       the version

Signals: SIGTERM and SIGINT finish the work in hand and stop; a second one ends at once.
`;
}
