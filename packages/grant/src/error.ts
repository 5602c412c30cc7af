const GRANT_MESSAGES = {
  malformed: "the grant is not a transaction token in the agreed shape",
  "unknown-edge": "the grant comes from an edge, or is signed with a key, that is not enrolled here",
  "bad-signature": "the grant's signature does not hold",
  expired: "the grant has ended: the edge has to make a new one",
  "not-yet-valid": "the grant begins later than this machine's clock: check both clocks",
  "too-long": "the grant would last longer than five minutes",
  "wrong-tenant": "the grant is for another tenant",
  "wrong-connector": "the grant is for another connector",
  "wrong-session": "the grant is bound to another seal session",
  "wrong-server": "the grant is for another server",
} as const;

export type GrantErrorCode = keyof typeof GRANT_MESSAGES;

/** No code is retryable: the same grant fails the same way. The message never repeats what was in the grant. */
export class GrantError extends Error {
  override readonly name = "GrantError";
  readonly code: GrantErrorCode;

  constructor(code: GrantErrorCode, options?: { cause?: unknown }) {
    super(GRANT_MESSAGES[code], options);
    this.code = code;
  }
}

const TOKEN_MESSAGES = {
  malformed: "the access token is not a signed JWT in the shape of RFC 9068",
  "bad-algorithm": "the access token is signed with an algorithm that is not allowed here",
  "bad-signature": "the access token's signature does not hold",
  "unknown-key": "the access token is signed with a key that its issuer does not publish",
  "wrong-issuer": "the access token comes from another issuer",
  "wrong-audience": "the access token was issued for another resource",
  expired: "the access token has expired",
  "not-yet-valid": "the access token is not valid yet: check the clocks here and at the issuer",
  "missing-scope": "the access token lacks the scope of this server",
  "key-bound": "the access token is bound to a key of its client (DPoP or mTLS), and came without that proof",
  "keys-unavailable":
    "the issuer's keys cannot be had now: check the JWKS file or URL; tokens are refused until then",
} as const;

export type TokenErrorCode = keyof typeof TOKEN_MESSAGES;

/**
 * `keys-unavailable` is retryable (HTTP 503), `missing-scope` is 403, the others are 401. The message never
 * repeats what was in the token.
 */
export class TokenError extends Error {
  override readonly name = "TokenError";
  readonly code: TokenErrorCode;

  constructor(code: TokenErrorCode, options?: { cause?: unknown }) {
    super(TOKEN_MESSAGES[code], options);
    this.code = code;
  }
}
