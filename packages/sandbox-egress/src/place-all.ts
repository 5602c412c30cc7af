import { type CredentialMaterial, EgressError, placeInRequest } from "@sallyport/egress";
import { ScrubError } from "@sallyport/scrub";
import { DenialError } from "./denial.ts";
import type { Fillable, Placed } from "./find-placed.ts";
import type { IssuedToken, Location } from "./placeholders.ts";
import type { Session } from "./session.ts";

/**
 * The request with its credentials in the places of their placeholders. Each is unsayable in answers before it is placed.
 *
 * @throws DenialError `credential`, `expired`
 */
export async function placeAll(
  placed: readonly Placed[],
  request: Fillable,
  { deps, secrets }: Session,
): Promise<Fillable> {
  let filled = request;
  for (const { credential, location, username, issued } of placed) {
    try {
      const leased = issued === undefined ? await deps.lease(credential) : livingOf(issued);
      const named = leased.username ?? username;
      const material = { value: leased.value, ...(named === undefined ? {} : { username: named }) };
      // What was issued is looked for already, though not as the password of this user.
      if (issued === undefined || named !== undefined) secrets.add(credential, material);
      filled = place(location, material, filled);
    } catch (cause) {
      if (cause instanceof DenialError) throw cause;
      throw new DenialError({ code: "credential", reason: reasonOf(cause, credential) }, { cause });
    }
  }
  return filled;
}

function place(location: Location, material: CredentialMaterial, request: Fillable): Fillable {
  if (location.in !== "form") return { ...request, ...placeInRequest(location, material, request) };
  // A form is written as a query is.
  const query = { path: `/?${request.form ?? ""}`, headers: [] };
  const { path } = placeInRequest({ in: "query", name: location.name }, material, query);
  return { ...request, form: path.slice(2) };
}

function livingOf({ credential, material }: IssuedToken): CredentialMaterial {
  if (material !== undefined) return material;
  const reason = `${credential} has ended: ask its token endpoint for another`;
  throw new DenialError({ code: "expired", reason });
}

/** Texts of these two never hold a value; what a broker's failure says is for the log alone. */
function reasonOf(error: unknown, credential: string): string {
  if (error instanceof EgressError) return `${credential} cannot be placed: ${error.reason}`;
  if (error instanceof ScrubError) return `${credential} cannot be kept out of answers, so it is not placed`;
  return `${credential} is not to be had now`;
}
