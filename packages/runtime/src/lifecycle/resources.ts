/** What a process holds and must give back. */
export type Resource = { close(): unknown } | AsyncDisposable | Disposable;

export interface CloseFailure {
  name: string;
  error: unknown;
}

/** Opened things in the order of their opening; they close in reverse, one after the other. */
export class Resources {
  readonly #open: { name: string; close: () => unknown }[] = [];

  add(resource: Resource, name: string): void {
    this.#open.push({ name, close: closeOf(resource) });
  }

  /** The resources not closed yet, first opened first. */
  get names(): string[] {
    return this.#open.map(({ name }) => name);
  }

  /** Closes everything. One that fails does not keep the others open. */
  async close(): Promise<CloseFailure[]> {
    const failures: CloseFailure[] = [];
    for (let last = this.#open.at(-1); last !== undefined; last = this.#open.at(-1)) {
      try {
        await last.close();
      } catch (error) {
        failures.push({ name: last.name, error });
      }
      // Only now: while it closes, it is what the grace timer would name.
      this.#open.splice(this.#open.indexOf(last), 1);
    }
    return failures;
  }
}

function closeOf(resource: Resource): () => unknown {
  if ("close" in resource) return () => resource.close();
  if (Symbol.asyncDispose in resource) return () => resource[Symbol.asyncDispose]();
  return () => resource[Symbol.dispose]();
}
