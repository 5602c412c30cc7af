import { ServiceError } from "@sallyport/contracts";

/** Somebody has to do something: the same try again gives the same. */
export function refused(message: string, detail?: string): ServiceError {
  return new ServiceError("denied", message, detail === undefined ? {} : { detail });
}

/** Somebody is away, and may come back. */
export function away(message: string, detail?: string): ServiceError {
  return new ServiceError("unavailable", message, detail === undefined ? {} : { detail });
}

/**
 * The system's or OpenSSL's code of what went wrong. The error itself goes nowhere: that of an HTTP parser holds the
 * bytes that were read, and a hostile proxy sends back the login that it was sent.
 */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : "no code";
}

const untrusted =
  /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_(?:UNTRUSTED|REJECTED|SIGNATURE_FAILURE|CHAIN)|INVALID_(?:CA|PURPOSE)|PATH_LENGTH)/;

/** Why TLS did not come about. `authority` is the setting that names who may vouch for the other end. */
export function tlsFailure(
  error: unknown,
  of: { name: string; host: string; authority: string; pinned: boolean },
): ServiceError {
  const code = codeOf(error);
  if (untrusted.test(code)) {
    const by = of.pinned ? `the authority in ${of.authority}` : "an authority that this system trusts";
    const fix = of.pinned ? "take that of the relay's owner" : `if it is an own one, set ${of.authority}`;
    return refused(`the certificate of ${of.name} is not signed by ${by}: ${fix}`, code);
  }
  if (code === "CERT_HAS_EXPIRED")
    return refused(`the certificate of ${of.name} has expired: renew it there`, code);
  if (code === "CERT_NOT_YET_VALID")
    return refused(`the certificate of ${of.name} is not valid yet: check the clocks`, code);
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return refused(
      `the certificate of ${of.name} is not for ${of.host}: use a name that stands in it, or issue one for this name`,
      code,
    );
  }
  if (/^ERR_SSL_|^EPROTO$/.test(code))
    return refused(`${of.name} does not speak TLS as this zone does`, code);
  return away(`${of.name} breaks off while TLS begins`, code);
}
