import { Alphabet } from "./alphabet.ts";
import { type Needle, needlesOf, trimmed } from "./needle.ts";
import { ScrubError } from "./scrub-error.ts";
import { type BodyKind, BodyScrubber, type Compiled, passThrough, type ScrubStream } from "./scrub-stream.ts";
import { Starts } from "./starts.ts";

export interface ScrubSecret {
  /** The credential's name. Public: it stands where the secret stood. */
  name: string;
  /** The secret, 8 bytes to 16 KiB without white space at its ends. Copied into the scrubber. */
  value: Uint8Array;
  /** Where the secret is the password of Basic: also look for base64 of `username:value`. */
  username?: string;
}

export interface Scrubber {
  /** Nothing to look for: bodies pass untouched. */
  readonly empty: boolean;
  /** For one body. */
  stream(kind: BodyKind): ScrubStream;
  /** A whole string: a header's value, an error's text. The same string where nothing was found. */
  text(value: string): string;
  /** The most bytes that any spelling of any secret takes: a stream holds back fewer. */
  readonly longest: number;
}

const LEAST_BYTES = 8;
const MOST_BYTES = 16 * 1024;
const MOST_SECRETS = 64;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * Prepare to look for these secrets. Costs some hundred microseconds and 16 KiB plus about a hundred times the secrets'
 * size: once per lease, not per body.
 *
 * @throws ScrubError for a secret that cannot be looked for. It must not be used then: it could be echoed.
 */
export function compileScrub(secrets: readonly ScrubSecret[]): Scrubber {
  if (secrets.length === 0) return NOTHING;
  if (secrets.length > MOST_SECRETS) throw new ScrubError("too-many");
  for (const secret of secrets) check(secret);

  const alphabet = new Alphabet();
  const needles = secrets.flatMap((secret, index) => needlesOf(secret, index, alphabet));
  const starts = new Starts(needles);
  const compiled: Compiled = { starts, markers: secrets.map(({ name }) => markerFor(name, starts)) };
  return {
    empty: false,
    longest: needles.reduce((most, needle) => Math.max(most, longestForm(needle)), 0),
    stream: (kind) => new BodyScrubber(compiled, kind),
    text: (value) => scrubText(compiled, value),
  };
}

const NOTHING: Scrubber = { empty: true, longest: 0, stream: () => passThrough, text: (value) => value };

function check({ name, value, username }: ScrubSecret): void {
  if (!NAME.test(name)) throw new ScrubError("bad-name");
  const size = trimmed(value).length;
  if (size < LEAST_BYTES) throw new ScrubError("too-short", name);
  if (size > MOST_BYTES || value.length > 2 * MOST_BYTES) throw new ScrubError("too-long", name);
  // RFC 7617, section 2: a colon in the user name would move the border between name and password.
  if (username !== undefined && (Buffer.byteLength(username) > 1024 || username.includes(":"))) {
    throw new ScrubError("bad-username", name);
  }
}

/**
 * ASCII without quote, backslash or control: it changes neither the syntax of a JSON string nor the lines of an event.
 * A name that happens to be a secret must not be printed in its place.
 */
function markerFor(name: string, starts: Starts): Uint8Array {
  const silent = (marker: Uint8Array) => {
    const scrubber = new BodyScrubber({ starts, markers: [] }, "text");
    scrubber.push(marker);
    scrubber.end();
    return scrubber.found === 0;
  };
  const markers = [`[redacted:${name}]`, "[redacted]"].map((text) => Buffer.from(text));
  return markers.find(silent) ?? Buffer.from("[***]"); // shorter than any secret
}

function scrubText(compiled: Compiled, value: string): string {
  if (!compiled.starts.anywhere(value)) return value;
  const scrubber = new BodyScrubber(compiled, "text");
  const clean = Buffer.concat([scrubber.push(Buffer.from(value)), scrubber.end()]);
  return scrubber.found === 0 ? value : clean.toString();
}

/** A line break that folds base64 is itself up to two escapes. */
function longestForm(needle: Needle): number {
  const fold = needle.folds ? 2 * 24 : 0;
  return needle.glyphs.reduce((sum, glyph) => sum + glyph.longest + fold, 0);
}
