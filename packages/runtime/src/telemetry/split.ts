export interface Payloads {
  payloads: Uint8Array[];
  /** Items left out: one alone is larger than a payload may be, or cannot be serialised. */
  dropped: number;
}

/** Serialised items, halved as long as a payload is too large. */
export function splitPayloads<T>(
  items: readonly T[],
  maxBytes: number,
  serialize: (items: readonly T[]) => Uint8Array | undefined,
): Payloads {
  if (items.length === 0) return { payloads: [], dropped: 0 };
  const payload = serialize(items);
  if (payload !== undefined && payload.length <= maxBytes) return { payloads: [payload], dropped: 0 };
  if (items.length === 1) return { payloads: [], dropped: 1 };
  const middle = items.length >> 1;
  const left = splitPayloads(items.slice(0, middle), maxBytes, serialize);
  const right = splitPayloads(items.slice(middle), maxBytes, serialize);
  return { payloads: [...left.payloads, ...right.payloads], dropped: left.dropped + right.dropped };
}
