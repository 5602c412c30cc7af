import { putAwayLeaks } from "./process/launched.ts";

/**
 * For a test file: `afterAll(leakCheck)`, before any other hook (they run in reverse order). Fails when a
 * server that the file launched was not stopped, and names its process and folder. What leaked is put
 * away first, so that the next file does not meet it.
 */
export async function leakCheck(): Promise<void> {
  const leaks = await putAwayLeaks();
  if (leaks.length > 0)
    throw new Error(`launched and not stopped:\n${leaks.map((leak) => `  ${leak}`).join("\n")}`);
}
