const MESSAGES = {
  "bad-key": "this is not a usable key: expected the text that `generateRecipientKey` made, unchanged",
  malformed: "the handshake message has the wrong size, version or layout",
  "not-for-us":
    "the hello does not open with this connector's private key: it was changed, or sealed to another key",
  "wrong-connector": "the hello names another connector",
  "unknown-edge": "the hello names an edge that is not enrolled here",
  "bad-signature": "the hello is not signed by the edge that it names",
  stale: "the hello's time is more than two minutes away from this machine's clock",
  replayed: "this hello was already answered",
  busy: "too many sessions were opened in the last minutes: the memory of seen hellos is full",
  "bad-reply": "the reply does not prove that the enrolled connector made it for this hello",
  "bad-order": "the record is not the next one: replayed, reordered, dropped or from a wrong epoch",
  "bad-record": "the record was changed, cut, or sealed for another session or direction",
  "too-large": "more bytes than one record or box may carry",
  "bad-box": "the box was changed, or sealed to another key or purpose",
  exhausted: "the session used up its epochs: open a new one",
  dead: "the session is closed",
} as const;

/** Closed set. All mean "no data"; a caller may open a new session, but never continue this one. */
export type SealErrorCode = keyof typeof MESSAGES;

/**
 * Codes are for logs and counters of the side that sees them. Do not send them to the peer of a handshake
 * that failed: which check failed is a hint to whoever is probing.
 */
export class SealError extends Error {
  override readonly name = "SealError";
  readonly code: SealErrorCode;

  constructor(code: SealErrorCode, options?: { cause?: unknown }) {
    super(MESSAGES[code], options);
    this.code = code;
  }
}
