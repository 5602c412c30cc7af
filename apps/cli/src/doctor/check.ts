import type { SandboxReport } from "@sallyport/contracts";
import { CommandFailure } from "../command-failure.ts";

/** One line of `doctor`: something that a zone needs, and what to do when it is missing. */
export interface Check {
  /** What was looked at: `nats`, `zone edge`, `server orders`. */
  name: string;
  state: "ok" | "failed" | "warning";
  what: string;
  fix?: string;
  /** Of a runner: what its probe has proven, for whoever reads JSON. */
  isolation?: SandboxReport & { weaker: readonly string[] };
}

export function ok(name: string, what: string): Check {
  return { name, state: "ok", what };
}

export function failed(name: string, what: string, fix: string): Check {
  return { name, state: "failed", what, fix };
}

export function warning(name: string, what: string, fix: string): Check {
  return { name, state: "warning", what, fix };
}

/** An expected failure as a failed check; a fault of the program goes on as it is. */
export async function checkThat(name: string, look: () => Promise<Check[]>, fix: string): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    return [failedBy(name, error, fix)];
  }
}

export function failedBy(name: string, error: unknown, fix: string): Check {
  if (!(error instanceof Error)) throw error;
  // Not an error that says what is wrong, but a mistake in this program.
  if (error instanceof TypeError || error instanceof ReferenceError) throw error;
  const setting = error instanceof CommandFailure ? error.setting : undefined;
  const what = setting === undefined ? error.message : `${error.message} (setting ${setting})`;
  return failed(name, what, (error instanceof CommandFailure ? error.fix : undefined) ?? fix);
}
