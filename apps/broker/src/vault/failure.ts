import { ServiceError } from "@sallyport/contracts";

/**
 * - `away` nothing answers, `slow` no answer in time, `sealed` it answers and cannot serve: the whole Vault
 * - `denied` this broker may not, `missing` there is no such thing, `refused` Vault calls the request wrong, `faulty`
 *   Vault or what stands behind it failed: one route
 */
export type VaultProblem = "away" | "slow" | "sealed" | "denied" | "missing" | "refused" | "faulty";

/** A request that Vault did not fulfil. `message` names the path, never a value. `said` is Vault's own word: log only. */
export class VaultFailure extends Error {
  override readonly name = "VaultFailure";
  readonly problem: VaultProblem;
  readonly said: string | undefined;

  constructor(problem: VaultProblem, message: string, options: { said?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.problem = problem;
    this.said = options.said?.slice(0, 300);
  }
}

const whatToDo: Record<VaultProblem, string> = {
  away: "Vault does not answer; try again",
  slow: "Vault does not answer in time; try again",
  sealed: "Vault is sealed; an operator has to unseal it",
  denied: "Vault does not let the broker do this; check the broker's Vault policy and login",
  missing: "Vault has nothing at the path that the broker's `credentials` setting names",
  refused: "Vault refused the request; check the broker's `credentials` setting",
  faulty: "Vault, or the system that it asks, failed; try again",
};

/** A failure as a connector may see it. */
export function publicFailure(thrown: unknown, subject: string): unknown {
  if (!(thrown instanceof VaultFailure)) return thrown;
  return new ServiceError("unavailable", `${subject}: ${whatToDo[thrown.problem]}`, {
    detail: thrown.said === undefined ? thrown.message : `${thrown.message}: ${thrown.said}`,
    cause: thrown,
  });
}

/** A failure of Vault as a whole, in which other requests would fail too. */
export function isOutage(problem: VaultProblem): problem is "away" | "slow" | "sealed" {
  return problem === "away" || problem === "slow" || problem === "sealed";
}
