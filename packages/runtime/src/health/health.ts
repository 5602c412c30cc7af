export type CheckResult = "ok" | { problem: string };
export type Check = () => CheckResult | Promise<CheckResult>;

export interface CheckOptions {
  /**
   * `ready` (the default): while it fails, send no new work here; it may pass again. `healthy`: it will not pass again
   * without a restart.
   */
  affects?: "ready" | "healthy";
}

export interface HealthReport {
  ok: boolean;
  checks: Record<string, CheckResult>;
}

/** A check that does not answer in this time has failed. */
const checkTimeoutMs = 1000;

/** What a process says of itself. `healthy` asks for a restart when it fails, `ready` only for patience. */
export class Health {
  readonly #checks = new Map<string, { check: Check; affects: "ready" | "healthy" }>();

  check(name: string, check: Check, options: CheckOptions = {}): void {
    this.#checks.set(name, { check, affects: options.affects ?? "ready" });
  }

  /** `ready` includes the checks of `healthy`: what must be restarted takes no work either. */
  async report(question: "ready" | "healthy"): Promise<HealthReport> {
    const asked = [...this.#checks].filter(
      ([, { affects }]) => question === "ready" || affects === "healthy",
    );
    const answers = await Promise.all(
      asked.map(async ([name, { check }]) => [name, await ask(check)] as const),
    );
    return { ok: answers.every(([, result]) => result === "ok"), checks: Object.fromEntries(answers) };
  }
}

async function ask(check: Check): Promise<CheckResult> {
  const { promise: late, resolve } = Promise.withResolvers<CheckResult>();
  const timer = setTimeout(() => resolve({ problem: `no answer in ${checkTimeoutMs} ms` }), checkTimeoutMs);
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch (error) {
    return { problem: error instanceof Error ? error.message : "the check failed" };
  } finally {
    clearTimeout(timer);
  }
}
