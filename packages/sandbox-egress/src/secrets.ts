import type { CredentialMaterial } from "@sallyport/egress";
import { compileScrub, type Scrubber, type ScrubSecret } from "@sallyport/scrub";
import type { IssuedToken } from "./placeholders.ts";

/** Leased again, a credential may be another value: the last few stay unsayable. */
const KEPT_PER_CREDENTIAL = 4;

/** Every secret that was placed for a sandbox or issued to it: no answer to it may hold one, whoever answers. */
export class Secrets {
  readonly #byCredential = new Map<string, ScrubSecret[]>();
  #issued: readonly ScrubSecret[] = [];
  #scrubber: Scrubber = compileScrub([]);

  get scrubber(): Scrubber {
    return this.#scrubber;
  }

  /** @throws ScrubError for one that could not be found in an answer: it must not be placed */
  add(name: string, { value, username }: CredentialMaterial): void {
    const kept = this.#byCredential.get(name) ?? [];
    if (kept.some((secret) => Buffer.compare(secret.value, value) === 0 && secret.username === username))
      return;
    const secret = { name, value: Uint8Array.from(value), ...(username === undefined ? {} : { username }) };
    const next = [...kept, secret].slice(-KEPT_PER_CREDENTIAL);
    const others = [...this.#byCredential].flatMap(([other, secrets]) => (other === name ? [] : secrets));
    this.#scrubber = compileScrub([...others, ...next, ...this.#issued]);
    this.#byCredential.set(name, next);
  }

  /** @throws ScrubError, and then they are what they were */
  set issued(tokens: readonly IssuedToken[]) {
    const issued = tokens.flatMap(({ credential, material }) =>
      material === undefined ? [] : [{ name: credential, value: Uint8Array.from(material.value) }],
    );
    this.#scrubber = compileScrub([...[...this.#byCredential.values()].flat(), ...issued]);
    this.#issued = issued;
  }
}
