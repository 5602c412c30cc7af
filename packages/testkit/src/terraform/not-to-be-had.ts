/**
 * A program that a test needs is neither on this machine nor to be fetched here. The message says which, and how
 * to get it. A test that meets it is skipped by name; whatever else goes wrong fails it.
 */
export class NotToBeHad extends Error {
  override readonly name = "NotToBeHad";
}
