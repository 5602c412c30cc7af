/**
 * Whether a key is another name for those who ignore letter case. Go folds U+212A (Kelvin) to k and U+017F (long s) to s;
 * lower case alone would miss the second.
 */
export function foldsTo(key: string, name: string): boolean {
  return key.length === name.length && fold(key) === fold(name);
}

function fold(text: string): string {
  return text.toUpperCase().toLowerCase();
}
