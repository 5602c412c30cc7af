import { randomBytes } from "node:crypto";
import type { RequestPlacement } from "@sallyport/egress";
import { compileScrub, type Scrubber } from "@sallyport/scrub";
import type { Authority } from "./authority.ts";

/** The one place where a placeholder stands for its credential. */
export interface Binding {
  readonly scheme: "http" | "https";
  /** As an authority writes it: lower case, A-labels. */
  readonly host: string;
  readonly port: number;
  /** Every method where it is left out. */
  readonly methods?: readonly string[] | undefined;
  /** `/v1` covers `/v1` and all below it. */
  readonly pathPrefix: string;
  readonly location: RequestPlacement;
}

export interface Placeholder {
  /** What the sandbox holds. Opaque: it is not made from the credential. */
  readonly value: string;
  /** The credential's name, public. */
  readonly credential: string;
  readonly bindings: readonly Binding[];
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** For clients that check a token's format, a prefix of theirs and a length: `ghp_` and 36. At least 32 random characters. */
export function placeholderValue(prefix = "sbx_", length = 32): string {
  if (!/^[A-Za-z0-9_-]{0,32}$/.test(prefix))
    throw new RangeError("a placeholder's prefix is A-Z a-z 0-9 _ -");
  if (length < 32 || length > 256) throw new RangeError("a placeholder has 32 to 256 random characters");
  let value = prefix;
  while (value.length < prefix.length + length)
    for (const byte of randomBytes(64)) {
      // Above the last multiple of 62, a remainder would prefer the first letters.
      if (byte < 248 && value.length < prefix.length + length) value += ALPHABET[byte % 62];
    }
  return value;
}

/** All placeholders that one sandbox was given. */
export class Placeholders {
  readonly all: readonly Placeholder[];
  /** Finds them in any spelling: raw, base64 as Basic writes it, percent-encoded, in JSON. */
  readonly finder: Scrubber;

  /** @throws ScrubError where one could not be found again */
  constructor(all: readonly Placeholder[]) {
    this.all = all;
    this.finder = compileScrub(
      all.map(({ credential, value }) => ({ name: credential, value: Buffer.from(value) })),
    );
  }

  /** Hosts that a credential is placed for inside TLS: the proxy must see the request. */
  get terminatedHosts(): readonly string[] {
    const hosts = this.#bindings.filter(({ scheme }) => scheme === "https").map(({ host }) => host);
    return [...new Set(hosts)];
  }

  terminates({ host, port }: Authority): boolean {
    return this.#bindings.some((at) => at.scheme === "https" && at.host === host && at.port === port);
  }

  get #bindings(): readonly Binding[] {
    return this.all.flatMap(({ bindings }) => bindings);
  }
}
