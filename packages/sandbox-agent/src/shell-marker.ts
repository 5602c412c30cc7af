import type { Exit } from "./running-exec.ts";

export interface Markers {
  readonly begin: string;
  readonly end: string;
}

/** `random` is fresh for each command: one command cannot write the end of another. */
export function markersOf(random: string): Markers {
  return { begin: `<begin ${random}>\n`, end: `\n<end ${random} ` };
}

/** The command as one quoted word for `eval`: an open quote in it is an error of its own, not of the shell's input. */
export function scriptOf(command: string, { begin, end }: Markers): string {
  const quoted = `'${command.replaceAll("'", `'\\''`)}'`;
  const open = `builtin printf '%s\\n' '${begin.trimEnd()}' >&9`;
  const close = `builtin printf '\\n%s%d>\\n' '${end.slice(1)}' $? >&9`;
  return `${open}; eval ${quoted} </dev/null >&9 2>&9; ${close}\n`;
}

const longestCode = 4;

/**
 * Give what lies between the markers to `onData`, and answer the exit code; undefined when the stream ends before.
 * Held back is only what may be the beginning of a marker.
 */
export async function untilMarker(
  pieces: AsyncIterator<Buffer, void>,
  { begin, end }: Markers,
  onData: (data: Buffer) => Promise<void>,
): Promise<number | undefined> {
  let begun = false;
  let held: Buffer = Buffer.alloc(0);
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) {
      if (begun && held.length > 0) await onData(held);
      return undefined;
    }
    held = Buffer.concat([held, next.value]);
    if (!begun) {
      const at = held.indexOf(begin);
      begun = at !== -1;
      held = begun ? held.subarray(at + begin.length) : held.subarray(-begin.length);
    }
    if (!begun) continue;
    const told = await tell(held, end, onData);
    if (told.code !== undefined) return told.code;
    held = told.held;
  }
}

/** Give out what is surely the command's. */
async function tell(
  bytes: Buffer,
  end: string,
  onData: (data: Buffer) => Promise<void>,
): Promise<{ held: Buffer; code?: number }> {
  let held = bytes;
  for (;;) {
    const at = held.indexOf(end);
    const ready = at === -1 ? held.length - startOfMarker(held, end) : at;
    if (ready > 0) await onData(Buffer.from(held.subarray(0, ready)));
    held = held.subarray(ready);
    if (at === -1) return { held };
    const code = codeIn(held.subarray(end.length, end.length + longestCode));
    if (code !== undefined) return { held, code };
    if (held.length < end.length + longestCode) return { held };
    await onData(Buffer.from(held.subarray(0, end.length))); // a forged end: output like any other, not kept
    held = held.subarray(end.length);
  }
}

/** How many of the last bytes may begin the marker, whose only newline is its first byte. */
function startOfMarker(held: Buffer, end: string): number {
  const from = held.lastIndexOf("\n");
  const last = from === -1 ? "" : held.subarray(from, from + end.length).toString("latin1");
  return from !== -1 && held.length - from < end.length && end.startsWith(last) ? last.length : 0;
}

function codeIn(rest: Buffer): number | undefined {
  const [, digits] = /^(\d{1,3})>/.exec(rest.toString("latin1")) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/** As bash counts it. */
export function endedBy(exit: Exit): number {
  return "code" in exit ? exit.code : 128 + exit.signal;
}
