import { EgressError, type PlacedRequest, placeInRequest } from "@sallyport/egress";
import { ScrubError } from "@sallyport/scrub";
import { DenialError } from "./denial.ts";
import type { Placed } from "./find-placed.ts";
import type { Session } from "./session.ts";

/**
 * The request with its credentials in the places of their placeholders. Each is unsayable in answers before it is placed.
 *
 * @throws DenialError `credential`
 */
export async function placeAll(
  placed: readonly Placed[],
  request: PlacedRequest,
  { deps, secrets }: Session,
): Promise<PlacedRequest> {
  let filled = request;
  for (const { credential, location, username } of placed) {
    try {
      const leased = await deps.lease(credential);
      const named = leased.username ?? username;
      const material = { value: leased.value, ...(named === undefined ? {} : { username: named }) };
      secrets.add(credential, material);
      filled = placeInRequest(location, material, filled);
    } catch (cause) {
      throw new DenialError({ code: "credential", reason: reasonOf(cause, credential) }, { cause });
    }
  }
  return filled;
}

/** Texts of these two never hold a value; what a broker's failure says is for the log alone. */
function reasonOf(error: unknown, credential: string): string {
  if (error instanceof EgressError) return `${credential} cannot be placed: ${error.reason}`;
  if (error instanceof ScrubError) return `${credential} cannot be kept out of answers, so it is not placed`;
  return `${credential} is not to be had now`;
}
