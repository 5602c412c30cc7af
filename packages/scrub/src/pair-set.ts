/** A set of pairs of neighbouring bytes, a bit for each: 8 KiB, small enough to stay in the processor's cache. */
export type PairSet = Uint32Array;

export function pairSet(): PairSet {
  return new Uint32Array(65_536 / 32);
}

export function addPair(pairs: PairSet, byte: number, next: number): void {
  const pair = (byte << 8) | next;
  pairs[pair >>> 5] = (pairs[pair >>> 5] as number) | (1 << (pair & 31));
}

export function hasPair(pairs: PairSet, byte: number, next: number): boolean {
  const pair = (byte << 8) | next;
  return (((pairs[pair >>> 5] as number) >>> (pair & 31)) & 1) === 1;
}
