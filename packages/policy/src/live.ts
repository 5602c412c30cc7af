import { compilePolicies, type PolicySet } from "./compile.ts";
import type { ServerPolicies } from "./decide.ts";
import type { HttpPolicies } from "./decide-http.ts";
import { readPolicies } from "./load.ts";
import type { PolicyFile } from "./policy-error.ts";

/**
 * Policies that follow their files. A change counts when two readings agree on it: a file that is being written may be
 * whole Cedar and lack its last rule, which may be the one that forbids. What cannot be read, or is no policy, changes
 * nothing: the policies that held go on holding, and whoever asked for the reading is told.
 */
export class LivePolicies implements PolicySet {
  readonly #paths: readonly string[];
  readonly #listeners = new Set<() => void>();
  #current: PolicySet;
  #held: string;
  #seen: string;

  private constructor(paths: readonly string[], files: readonly PolicyFile[]) {
    this.#paths = paths;
    this.#current = compilePolicies(files);
    this.#held = this.#seen = textOf(files);
  }

  /** Reads `*.cedar` of each directory and each file named. Throws PolicyError: without policies nothing starts. */
  static async open(dirsOrFiles: readonly string[]): Promise<LivePolicies> {
    return new LivePolicies(dirsOrFiles, await readPolicies(dirsOrFiles));
  }

  forServer(server: string): ServerPolicies {
    return this.#current.forServer(server);
  }

  get http(): HttpPolicies {
    return this.#current.http;
  }

  get digest(): string {
    return this.#current.digest;
  }

  get count(): number {
    return this.#current.count;
  }

  /** Called when other policies hold. Returns what ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reads the files again; true when other policies hold now. Throws PolicyError, and those that held still hold. */
  async reload(): Promise<boolean> {
    const files = await readPolicies(this.#paths);
    const text = textOf(files);
    const settled = text === this.#seen;
    this.#seen = text;
    if (text === this.#held || !settled) return false;
    this.#current = compilePolicies(files);
    this.#held = text;
    for (const listener of this.#listeners) listener();
    return true;
  }
}

function textOf(files: readonly PolicyFile[]): string {
  return JSON.stringify(files.map(({ name, text }) => [name, text]));
}
