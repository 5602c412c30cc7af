import type { Workbench } from "../tools/tool.ts";

/** One sandbox, for one session of an environment. */
export interface SessionSandbox {
  /** Rejects when it has ended: a new one is never put in its place. */
  bench(): Promise<Workbench>;
  /** Nothing is left of it when this resolves. */
  close(): Promise<void>;
}

export interface SessionSandboxes {
  /** Takes a sandbox of the pool for a session, under the work item's id. Rejects when there is none. */
  open(of: { agent: string; pool: string; item: string; session: string }): Promise<SessionSandbox>;
}

/** What the model is told where a sandbox is not the one that it knew. The call was not made. */
export const goneText =
  "The call was not made: the sandbox of this session is gone, with its files and processes. " +
  "The next call gets a new, empty one.";

/**
 * The sandbox of a session, opened when a call first needs it. When it has gone, the call that finds out is told, and only
 * the next one gets another.
 */
export class SandboxOfSession {
  readonly #open: () => Promise<SessionSandbox>;
  #sandbox: SessionSandbox | undefined;

  constructor(open: () => Promise<SessionSandbox>) {
    this.#open = open;
  }

  async bench(): Promise<Workbench> {
    const found = this.#sandbox;
    if (found === undefined) {
      this.#sandbox = await this.#open();
      return await this.#sandbox.bench();
    }
    try {
      return await found.bench();
    } catch (cause) {
      await this.close();
      throw new Error(goneText, { cause });
    }
  }

  /** Calls run one at a time: nobody uses it meanwhile. */
  async close(): Promise<void> {
    const sandbox = this.#sandbox;
    this.#sandbox = undefined;
    await sandbox?.close();
  }
}
