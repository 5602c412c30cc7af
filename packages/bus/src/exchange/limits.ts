/** Bounds of a link. Both ends must agree on `windowBytes`. */
export interface LinkLimits {
  /** Exchanges in progress in each direction. */
  maxExchanges: number;
  /** Reply bytes that may be on their way to a reader that has not taken them: what one slow reader costs. */
  windowBytes: number;
  /** A request's body, which the server collects whole: policy reads it before anything is done. */
  maxRequestBytes: number;
  /** The bodies of all requests in progress together: many small ones, or some large ones. */
  maxHeldRequestBytes: number;
  maxHeadBytes: number;
  maxControlBytes: number;
  maxChunkBytes: number;
  /** Frames in one record; with the seal's overhead it stays below the road's message size. */
  maxRecordBytes: number;
  /** Something is sent at least this often. */
  heartbeatMs: number;
  /** A peer that was silent for so long is dead. */
  deadAfterMs: number;
}

export const defaultLimits: LinkLimits = {
  maxExchanges: 20_000,
  windowBytes: 512 * 1024,
  maxRequestBytes: 1024 * 1024,
  maxHeldRequestBytes: 128 * 1024 * 1024,
  maxHeadBytes: 64 * 1024,
  maxControlBytes: 64 * 1024,
  maxChunkBytes: 64 * 1024,
  maxRecordBytes: 256 * 1024,
  heartbeatMs: 800,
  deadAfterMs: 2_400,
};
