const MESSAGES = {
  "too-short":
    "a secret of less than 8 bytes cannot be scrubbed without damage to innocent bytes: use a longer one",
  "too-long": "a secret of more than 16 KiB cannot be scrubbed",
  "too-many": "more than 64 secrets for one scrubber",
  "bad-name": "a credential's name is 1 to 64 of A-Z a-z 0-9 . _ -",
  "bad-username": "a user name for Basic is at most 1024 bytes and has no colon",
  "unknown-coding": "the body has a content coding other than gzip, deflate, br or identity",
  "several-codings": "the body has more than one content coding: only one layer is unpacked",
  "corrupt-coding": "the body does not unpack by its content coding",
  "too-large": "the unpacked body is larger than allowed",
  "too-dense": "the body unpacks to too many times its own size",
} as const;

/** Closed set: the first five are configuration (the credential must not be used), the rest are about one body. */
export type ScrubErrorCode = keyof typeof MESSAGES;

/** What went wrong, never with what: no message holds a secret, or bytes of a body. */
export class ScrubError extends Error {
  override readonly name = "ScrubError";
  readonly code: ScrubErrorCode;

  /** `about` is public: the credential's name. */
  constructor(code: ScrubErrorCode, about?: string) {
    super(about === undefined ? MESSAGES[code] : `${about}: ${MESSAGES[code]}`);
    this.code = code;
  }
}
