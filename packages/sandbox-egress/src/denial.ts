/**
 * Why a request did not go out. `policy`, `address`, `placeholder`: not allowed. `ambiguous`: it has more than one reading.
 * `tls`: a tunnel holds something else than it was opened for. `expired`: a token of the sandbox's has ended, and it may
 * get another. `token`: what a token endpoint answered cannot be passed on. The rest are failures, ours or the server's.
 */
export type DenialCode =
  | "policy"
  | "address"
  | "placeholder"
  | "ambiguous"
  | "tls"
  | "expired"
  | "token"
  | "credential"
  | "unavailable"
  | "timeout"
  | "record";

export interface Denial {
  readonly code: DenialCode;
  /** Public: an agent reads it and acts on it. Names hosts and rules, never a secret. */
  readonly reason: string;
  readonly ruleId?: string | undefined;
}

export class DenialError extends Error {
  override readonly name = "DenialError";
  readonly denial: Denial;

  constructor(denial: Denial, options?: { cause?: unknown }) {
    super(`${denial.code}: ${denial.reason}`, options);
    this.denial = denial;
  }
}

const statuses: Readonly<Record<DenialCode, number>> = {
  policy: 403,
  address: 403,
  placeholder: 403,
  ambiguous: 403,
  tls: 403,
  // What OAuth clients take as the sign to refresh.
  expired: 401,
  token: 502,
  credential: 502,
  unavailable: 502,
  timeout: 504,
  record: 503,
};

export interface Rendered {
  readonly status: number;
  /** The reason phrase: all that pip, npm and their like show of an answer. */
  readonly phrase: string;
  readonly headers: readonly string[];
  readonly body: string;
}

/** As JSON for clients that ask for it, else as a line of text. Pure. */
export function renderDenial({ code, reason, ruleId }: Denial, accept: string | undefined): Rendered {
  const json = /\bjson\b/i.test(accept ?? "");
  const rule = ruleId === undefined ? "" : ` (rule ${ruleId})`;
  const body = json
    ? JSON.stringify({ error: { code, reason, ...(ruleId === undefined ? {} : { rule: ruleId }) } })
    : `sallyport egress: ${code}: ${reason}${rule}\n`;
  const phrase = `${code}: ${reason}${rule}`.replace(/[^\x20-\x7e]/g, "?").slice(0, 200);
  const headers = [
    ["content-type", json ? "application/json" : "text/plain; charset=utf-8"],
    ["content-length", String(Buffer.byteLength(body))],
    ["x-sallyport-denied", code],
    ["connection", "close"],
  ].flat();
  return { status: statuses[code], phrase, headers, body };
}
