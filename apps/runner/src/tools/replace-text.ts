export interface Replacement {
  readonly from: string;
  readonly to: string;
  readonly all: boolean;
}

export type Replaced =
  | { readonly outcome: "done"; readonly data: Buffer; readonly count: number }
  | { readonly outcome: "ambiguous"; readonly count: number }
  | { readonly outcome: "not-found" }
  | { readonly outcome: "too-large" };

/**
 * Pure. Done on bytes, so what is no UTF-8 in the rest of the file stays as it is. The size is known before anything is
 * made: 260,000 one-letter matches times a long text would else be gigabytes.
 */
export function replaceText(data: Buffer, { from, to, all }: Replacement, maxBytes: number): Replaced {
  const [search, put] = [Buffer.from(from, "utf8"), Buffer.from(to, "utf8")];
  const places: number[] = [];
  for (let at = data.indexOf(search); at !== -1; at = data.indexOf(search, at + search.length)) {
    places.push(at);
  }
  const count = places.length;
  if (count === 0) return { outcome: "not-found" };
  if (count > 1 && !all) return { outcome: "ambiguous", count };
  if (data.length + count * (put.length - search.length) > maxBytes) return { outcome: "too-large" };
  const parts: Buffer[] = [];
  let after = 0;
  for (const at of places) {
    parts.push(data.subarray(after, at), put);
    after = at + search.length;
  }
  return { outcome: "done", data: Buffer.concat([...parts, data.subarray(after)]), count };
}
