/** Policies that may not be loaded. It names the place, since its reader has an editor open. */
export class PolicyError extends Error {
  override readonly name = "PolicyError";
  readonly file: string;
  /** From 1; 0 when the trouble has no place in a file. */
  readonly line: number;
  /** In characters, from 1. */
  readonly column: number;

  constructor(problem: string, place: Place) {
    const source = place.source === "" ? "" : `\n  ${place.source}`;
    const at = place.line === 0 ? place.file : `${place.file}:${place.line}:${place.column}`;
    super(`${at}: ${problem}${source}`);
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
  }
}

export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The line itself. */
  readonly source: string;
}

export interface PolicyFile {
  readonly name: string;
  readonly text: string;
}

/** `offset` counts bytes of UTF-8, as Cedar's positions do. */
export function placeAt(file: PolicyFile, offset: number): Place {
  const before = Buffer.from(file.text).subarray(0, offset).toString("utf8").split("\n");
  const line = before.length;
  return {
    file: file.name,
    line,
    column: (before.at(-1) ?? "").length + 1,
    source: (file.text.split("\n")[line - 1] ?? "").trimEnd(),
  };
}
