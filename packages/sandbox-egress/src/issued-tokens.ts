import { ScrubError } from "@sallyport/scrub";
import { type IssuedToken, type Placeholders, placeholderValue } from "./placeholders.ts";
import type { Secrets } from "./secrets.ts";
import { replaceTokens, type TokenAnswer } from "./token-answer.ts";
import { fieldOf, type TokenEndpoint } from "./token-endpoint.ts";

/** Of one sandbox, at once: with more, the oldest is forgotten. */
const MOST_TOKENS = 16;
/** The longest that a token is kept, whatever its answer says. */
const MOST_LIFE_MS = 24 * 3_600_000;

/** The credentials that token endpoints handed to a sandbox: it has their placeholders, this memory has their values. */
export class IssuedTokens {
  readonly #placeholders: Placeholders;
  readonly #secrets: Secrets;
  readonly #now: () => number;
  #sweep: NodeJS.Timeout | undefined;

  constructor(placeholders: Placeholders, secrets: Secrets, now: () => number) {
    this.#placeholders = placeholders;
    this.#secrets = secrets;
    this.#now = now;
  }

  /** What the sandbox gets to see of an answer, and the names of what it holds. Refused, none of it is kept. */
  take(endpoint: TokenEndpoint, text: string): TokenAnswer & { readonly names: readonly string[] } {
    const fresh = new Map<string, IssuedToken>();
    const answer = replaceTokens(text, endpoint, ({ field, token }) => {
      const credential = `${endpoint.name}.${field}`;
      const same = (one: IssuedToken) =>
        one.credential === credential && one.material !== undefined && token === textOf(one.material);
      // Handed out again, it keeps its placeholder: a program that compares the two sees what it would see outside.
      const known = [...fresh.values(), ...this.#placeholders.issued].find(same);
      const { bindings, prefix, length } = fieldOf(endpoint, field);
      const value = known?.value ?? placeholderValue(prefix, length);
      fresh.set(value, { value, credential, bindings, material: { value: Buffer.from(token) }, until: 0 });
      return value;
    });
    if (!answer.ok) return { ...answer, names: [] };
    const problem = this.#keep([...fresh.values()], answer.expiresIn);
    if (problem !== undefined) return { ok: false, reason: problem, names: [] };
    return { ...answer, names: [...new Set([...fresh.values()].map(({ credential }) => credential))] };
  }

  close(): void {
    clearTimeout(this.#sweep);
    this.#secrets.issued = [];
    this.#placeholders.issued = [];
  }

  #keep(fresh: readonly IssuedToken[], expiresIn: number | undefined): string | undefined {
    if (fresh.length === 0) return undefined;
    if (fresh.length > MOST_TOKENS) return "it holds more credentials than are kept";
    for (const token of fresh) {
      // A refresh token outlives what it refreshes: `expires_in` speaks of the access token.
      const life = /refresh/i.test(token.credential) ? MOST_LIFE_MS : (expiresIn ?? Infinity) * 1000;
      token.until = this.#now() + Math.min(life, MOST_LIFE_MS);
    }
    const others = this.#placeholders.issued.filter((one) => fresh.every(({ value }) => value !== one.value));
    const next = [...others, ...fresh].slice(-MOST_TOKENS);
    try {
      this.#secrets.issued = next;
      this.#placeholders.issued = next;
    } catch (error) {
      if (!(error instanceof ScrubError)) throw error;
      // Too short or too long to be found in an answer: it could come back.
      return "it holds a credential that could not be kept out of answers";
    }
    this.#expire();
    return undefined;
  }

  /** What has ended is known as ended, so that its use is refused; its value is gone. */
  #expire(): void {
    clearTimeout(this.#sweep);
    const { issued } = this.#placeholders;
    for (const token of issued) if (token.until <= this.#now()) token.material = undefined;
    const living = issued.filter(({ material }) => material !== undefined);
    this.#secrets.issued = living;
    const next = Math.min(...living.map(({ until }) => until));
    if (living.length > 0)
      this.#sweep = setTimeout(() => this.#expire(), Math.max(next - this.#now(), 1)).unref();
  }
}

function textOf({ value }: { readonly value: Uint8Array }): string {
  return Buffer.from(value).toString();
}
