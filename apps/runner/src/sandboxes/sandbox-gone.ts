/**
 * There is no such sandbox for this caller: it has ended, was never there, or is another's, and nobody can tell which.
 * A new one is never put in its place in silence: files and processes would be gone and the agent would not know.
 */
export class SandboxGone extends Error {
  override readonly name = "SandboxGone";

  constructor(why = "this sandbox is gone, and what was in it is lost; begin a new session") {
    super(why);
  }
}
