import { type Resource, Resources } from "./resources.ts";

/** What a command that ends by itself holds while it runs. */
export interface CommandRun {
  /** Aborts at the first SIGINT or SIGTERM, and when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  /** Keeps a resource until the end; resources close in reverse order. Returns it. */
  use<R extends Resource>(resource: R, name?: string): R;
}

export interface RunCommandOptions {
  /** The exit code of a failure and the text for stderr. Without one, an unexpected error is printed with its stack. */
  explain(error: unknown): { exitCode: number; text: string };
  /** How long the command may take to end after a signal. */
  graceMs?: number;
}

/** 128 + the signal's number, as shells say it. */
const interrupted = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs a command: its return value is the exit code, what it throws is explained on stderr, what it opened is closed.
 * A signal aborts it, a second one ends it at once. A reader that has gone (`| head`) ends it without a word.
 */
export async function runCommand(
  main: (run: CommandRun) => Promise<number>,
  options: RunCommandOptions,
): Promise<void> {
  const resources = new Resources();
  const stopping = new AbortController();
  let stopped: number | undefined;

  const stop = (code: number): void => {
    if (stopped !== undefined) process.exit(code);
    stopped = code;
    setTimeout(() => process.exit(code), options.graceMs ?? 2_000).unref();
    stopping.abort(new Error("interrupted"));
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => stop(interrupted[signal]));
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    if (stopped === undefined) stop(0);
  });

  const explained = (error: unknown): number => {
    // What fails because of the stop is no failure of its own.
    if (stopped !== undefined) return stopped;
    const { exitCode, text } = options.explain(error);
    process.stderr.write(text);
    return exitCode;
  };
  const code = await main({
    signal: stopping.signal,
    use: (resource, name = resource.constructor.name) => {
      resources.add(resource, name);
      return resource;
    },
  }).catch(explained);
  await resources.close();
  process.exit(stopped ?? code);
}
