import { compileScrub, type Scrubber, type ScrubSecret } from "@sallyport/scrub";

const mostPerPrincipal = 64;

interface Holder {
  readonly principal: string;
  readonly handle: string;
}

/**
 * What was placed into the requests of each agent's sandboxes. The proxy lets none of it come back inside; should one
 * have come in another way, it leaves in no answer to the agent either.
 */
export class PlacedSecrets {
  readonly #secrets = new Map<string, { of: Holder; secret: ScrubSecret }[]>();
  readonly #scrubbers = new Map<string, Scrubber>();
  #everything: Scrubber | undefined;

  /** Throws ScrubError for one that could not be found again. */
  add(of: Holder, { name, value, username }: ScrubSecret): void {
    const { principal, handle } = of;
    const held = this.#secrets.get(principal) ?? [];
    const same = held.find((one) => one.of.handle === handle && Buffer.from(one.secret.value).equals(value));
    if (same !== undefined) return;
    const secret = { name, value: Uint8Array.from(value), ...(username === undefined ? {} : { username }) };
    this.#set(principal, [...held, { of: { principal, handle }, secret }].slice(-mostPerPrincipal));
  }

  /** Of all principals: for answers that are nobody's in particular. */
  get everything(): Scrubber {
    this.#everything ??= compileScrub([...this.#secrets.values()].flat().map(({ secret }) => secret));
    return this.#everything;
  }

  scrubber(principal: string): Scrubber | undefined {
    return this.#scrubbers.get(principal);
  }

  /** The sandbox is gone, and nothing that it said is still to be answered. */
  forget({ principal, handle }: Holder): void {
    const held = this.#secrets.get(principal)?.filter((one) => one.of.handle !== handle);
    if (held !== undefined) this.#set(principal, held);
  }

  #set(principal: string, held: { of: Holder; secret: ScrubSecret }[]): void {
    this.#everything = undefined;
    if (held.length === 0) {
      this.#secrets.delete(principal);
      this.#scrubbers.delete(principal);
      return;
    }
    this.#scrubbers.set(principal, compileScrub(held.map(({ secret }) => secret)));
    this.#secrets.set(principal, held);
  }
}
