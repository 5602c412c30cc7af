/**
 * Find and replace secrets in a byte stream, whatever their encoding.
 *
 * A server that is handed a credential may say it back: in an echo, an error, a debug page. It rarely says it back as
 * it came. A secret here is a row of characters, and every character is matched in any way in which software writes
 * one (`src/glyph.ts`): as itself, percent-encoded, as a JSON escape at up to four layers of JSON in JSON, as an HTML
 * entity; mixed as it likes. The rows (`src/needle.ts`) are the secret, its hex, its base64 wherever it may sit in a
 * longer base64 text, and all of these again for the `user:password` of Basic.
 *
 * Not found: a secret that a server has compressed, encrypted, hashed, reversed, cut in pieces or spelt as a list of
 * numbers. A hostile server that wants to pass on what it was given always can; this catches the ones that do not
 * mean to.
 */
export { compileScrub, type Scrubber, type ScrubSecret } from "./src/compile-scrub.ts";
export { type BodyDecoder, type DecodeLimits, decodeBody } from "./src/decode-body.ts";
export { ScrubError, type ScrubErrorCode } from "./src/scrub-error.ts";
export type { BodyKind, ScrubStream } from "./src/scrub-stream.ts";
