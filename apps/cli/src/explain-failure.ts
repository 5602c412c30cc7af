import { type ErrorCode, printable, ServiceError } from "@sallyport/contracts";
import { BootError, ConfigError } from "@sallyport/runtime";
import { CommanderError } from "commander";
import { CommandFailure, type ExitReason, exitCodes } from "./command-failure.ts";
import { safeJson } from "./safe-json.ts";

interface Failure {
  code: ExitReason;
  message: string;
  detail?: string | undefined;
  setting?: string | undefined;
  fix?: string | undefined;
}

const reasons: Record<ErrorCode, ExitReason> = {
  invalid: "usage",
  unauthenticated: "refused",
  denied: "refused",
  not_found: "failed",
  conflict: "failed",
  exhausted: "unavailable",
  unavailable: "unavailable",
  timeout: "unavailable",
  internal: "software",
};

/** A failure in words for stderr, or as one JSON object. Only a fault of the program itself shows a stack. */
export function explainFailure(
  error: unknown,
  { json }: { json: boolean },
): { exitCode: number; text: string } {
  // Help and version were asked for and printed.
  if (error instanceof CommanderError && error.exitCode === 0) return { exitCode: exitCodes.ok, text: "" };
  // Without a command the help was printed, to stderr; that is all there is to say.
  if (error instanceof CommanderError && error.code === "commander.help") {
    return { exitCode: exitCodes.usage, text: "" };
  }
  const failure = failureOf(error);
  const exitCode = exitCodes[failure.code];
  if (json) return { exitCode, text: `${safeJson({ error: { ...failure, exitCode } })}\n` };
  const lines = failure.message.split("\n").map((line) => printable(line, 500));
  if (failure.detail !== undefined) lines.push(`detail: ${printable(failure.detail, 500)}`);
  if (failure.setting !== undefined) lines.push(`setting: ${printable(failure.setting, 500)}`);
  if (failure.fix !== undefined) lines.push(`fix: ${printable(failure.fix, 500)}`);
  return { exitCode, text: `sallyport: ${lines.join("\n  ")}\n` };
}

function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return usageFailure(error);
  if (error instanceof CommandFailure) {
    return { code: error.reason, message: error.message, setting: error.setting, fix: error.fix };
  }
  if (error instanceof ConfigError) return { code: "config", message: error.message };
  if (error instanceof BootError) {
    return { code: "failed", message: error.message, setting: error.setting, fix: error.fix };
  }
  // The detail is for the log; on an operator's own machine, stderr is the log.
  if (error instanceof ServiceError) {
    return { code: reasons[error.code], message: error.message, detail: error.detail };
  }
  const stack = error instanceof Error ? error.stack : undefined;
  return { code: "software", message: stack ?? String(error) };
}

function usageFailure(error: CommanderError): Failure {
  return { code: "usage", message: error.message.replace(/^error: /, ""), fix: "see --help" };
}
