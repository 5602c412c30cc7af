import { randomBytes } from "node:crypto";
import type { CredentialMaterial, RequestPlacement } from "@sallyport/egress";
import { compileScrub, type Scrubber } from "@sallyport/scrub";
import { type Authority, sameAuthority } from "./authority.ts";
import type { Target } from "./request-target.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";

/** `form`: a field of an `application/x-www-form-urlencoded` body, as token endpoints read it. */
export type Location = RequestPlacement | { readonly in: "form"; readonly name: string };

/** A part of one server. */
export interface Place {
  readonly scheme: "http" | "https";
  /** As an authority writes it: lower case, A-labels. */
  readonly host: string;
  readonly port: number;
  /** `/v1` covers `/v1` and all below it. */
  readonly pathPrefix: string;
}

/** The one place where a placeholder stands for its credential. */
export interface Binding extends Place {
  /** Every method where it is left out. */
  readonly methods?: readonly string[] | undefined;
  readonly location: Location;
}

export interface Placeholder {
  /** What the sandbox holds. Opaque: it is not made from the credential. */
  readonly value: string;
  /** The credential's name, public. */
  readonly credential: string;
  readonly bindings: readonly Binding[];
}

/** What a token endpoint handed out. The proxy holds its value, for as long as it counts. */
export interface IssuedToken extends Placeholder {
  /** Undefined once its time is over. */
  material: CredentialMaterial | undefined;
  /** Milliseconds since 1970. */
  until: number;
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

/** All placeholders that one sandbox has: those that it was given, and those that token endpoints' answers became. */
export class Placeholders {
  readonly endpoints: readonly TokenEndpoint[];
  readonly #given: readonly Placeholder[];
  readonly #places: readonly Binding[];
  #issued: readonly IssuedToken[] = [];
  #finder: Scrubber;

  /** @throws ScrubError where one could not be found again */
  constructor(given: readonly Placeholder[], endpoints: readonly TokenEndpoint[] = []) {
    this.endpoints = endpoints;
    this.#given = given;
    const issued = endpoints.flatMap(({ issues }) => Object.values(issues));
    this.#places = [...given, ...issued].flatMap(({ bindings }) => bindings);
    this.#finder = finderOf(given);
  }

  get all(): readonly (Placeholder | IssuedToken)[] {
    return [...this.#given, ...this.#issued];
  }

  /** Finds them in any spelling: raw, base64 as Basic writes it, percent-encoded, in JSON. */
  get finder(): Scrubber {
    return this.#finder;
  }

  get issued(): readonly IssuedToken[] {
    return this.#issued;
  }

  /** @throws ScrubError, and then they are what they were */
  set issued(issued: readonly IssuedToken[]) {
    this.#finder = finderOf([...this.#given, ...issued]);
    this.#issued = issued;
  }

  /** Hosts that a credential is placed for inside TLS: the proxy must see the request. */
  get terminatedHosts(): readonly string[] {
    const hosts = this.#all.filter(({ scheme }) => scheme === "https").map(({ host }) => host);
    return [...new Set(hosts)];
  }

  terminates(authority: Authority): boolean {
    return this.#all.some((place) => place.scheme === "https" && isAt(place, authority));
  }

  /** Something is bound to it in clear: a tunnel there would carry what nobody looks at. */
  inClear(authority: Authority): boolean {
    return this.#all.some((place) => place.scheme === "http" && isAt(place, authority));
  }

  /** Whether a body sent there may hold one. */
  readsForm(method: string, target: Target): boolean {
    return this.#places.some(
      (binding) => binding.location.in === "form" && covers(binding, { method, target }),
    );
  }

  get #all(): readonly Place[] {
    return [...this.#places, ...this.endpoints];
  }
}

/** Whether a placeholder that is bound so stands for its credential in this request, were it in its location. */
export function covers(binding: Binding, { method, target }: { method: string; target: Target }): boolean {
  return contains(binding, target) && (binding.methods?.includes(method) ?? true);
}

function contains(place: Place, { scheme, authority, path }: Target): boolean {
  const { pathPrefix } = place;
  const below = pathPrefix.endsWith("/") ? pathPrefix : `${pathPrefix}/`;
  return scheme === place.scheme && isAt(place, authority) && (path === pathPrefix || path.startsWith(below));
}

function isAt({ host, port }: Place, authority: Authority): boolean {
  return sameAuthority(authority, { host, port, literal: authority.literal });
}

function finderOf(all: readonly Placeholder[]): Scrubber {
  return compileScrub(all.map(({ credential, value }) => ({ name: credential, value: Buffer.from(value) })));
}
