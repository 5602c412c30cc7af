import { z } from "zod";

/** `typ` of a grant: a Transaction Token (draft-ietf-oauth-transaction-tokens). */
export const GRANT_TYPE = "txntoken+jwt";
export const MAX_GRANT_SECONDS = 5 * 60;
/** Characters. With every field at its usual size, a grant has about 1,000. */
export const MAX_GRANT_LENGTH = 8 * 1024;

/** Our own names: of edges, tenants, servers, connectors. No spaces, no controls, no quotes. */
const Name = z.string().regex(/^[\w.:~/@-]{1,128}$/);
/** Names that others chose: agents, users. Anything but control characters. */
const Foreign = z
  .string()
  .min(1)
  .max(512)
  .regex(/^\P{Cc}*$/u);
const Scopes = z
  .string()
  .max(4096)
  // scope-token of RFC 6749 section 3.3, separated by single spaces; none is the empty text
  .regex(/^(?:[\x21\x23-\x5b\x5d-\x7e]+(?: (?!$)|$))*$/);
/** NumericDate (RFC 7519): seconds. A grant has whole ones, up to the year 9999. */
const Seconds = z.int().min(0).max(253_402_300_799);

export const GrantHeader = z.strictObject({
  alg: z.literal("EdDSA"),
  typ: z.literal(GRANT_TYPE),
  kid: z.string().min(1).max(128),
});

/**
 * The claims of a grant. Strict: a claim that this version does not know might be a restriction that it would
 * then ignore.
 */
export const GrantClaims = z.strictObject({
  iss: z.templateLiteral(["edge:", Name]),
  aud: z.templateLiteral(["sallyport:", Name]),
  sub: Foreign,
  txn: z.string().min(1).max(128),
  jti: z.string().min(1).max(128),
  iat: Seconds,
  exp: Seconds,
  scope: Scopes,
  tctx: z.strictObject({
    tenant: Name,
    server: Name,
    connector: Name,
    session: Name,
    /** `tokenHash` of the agent's access token */
    token: z.string().regex(/^[\w-]{43}$/),
    /** who issued that token */
    issuer: Foreign,
    user: Foreign.optional(),
  }),
});
export type GrantClaims = z.infer<typeof GrantClaims>;
