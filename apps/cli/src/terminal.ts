import pc from "picocolors";

/** Where a command speaks: data on stdout, talk on stderr. */
export interface Terminal {
  /** Data. A pipe gets nothing else. */
  out(text: string): void;
  /** What is said to a person. */
  say(text: string): void;
  /** Colours for stdout; plain text where it is no terminal or NO_COLOR is set. */
  readonly color: boolean;
  readonly width: number;
  /** Whether stdout is a terminal. */
  readonly shown: boolean;
  /** Whether a person can be asked: both stdin and stderr are a terminal. */
  readonly interactive: boolean;
  readonly input: NodeJS.ReadStream;
  readonly talk: NodeJS.WriteStream;
}

interface Streams {
  stdin: NodeJS.ReadStream;
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
}

export function openTerminal({ stdin, stdout, stderr }: Streams): Terminal {
  const shown = stdout.isTTY === true;
  return {
    out: (text) => void stdout.write(text),
    say: (text) => void stderr.write(text),
    color: shown && pc.isColorSupported,
    width: shown ? stdout.columns : 120,
    shown,
    interactive: stdin.isTTY === true && stderr.isTTY === true,
    input: stdin,
    talk: stderr,
  };
}
