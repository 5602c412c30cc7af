import type { Contract } from "@sallyport/contracts";
import { assetsOf } from "./assets.ts";
import { rules, type UserPermissions } from "./permissions.ts";

/** The provisioner's replies. No zone has this name, so no zone's inbox can be taken for it. */
export const provisionerInbox = "_INBOX.provisioner";

/**
 * Pure: make and look at the streams that the contracts name; read, delete and purge none of them. A queue's consumers
 * are its to make too: whoever else could, would give out another pool's entries, or have them delivered elsewhere.
 */
export function provisionerPermissions(contracts: readonly Contract[]): UserPermissions {
  const api = assetsOf(contracts).flatMap(({ stream, subjects, queue }) => [
    ...["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
    ...(queue === undefined
      ? []
      : subjects.map((subject) => `$JS.API.CONSUMER.CREATE.${stream}.*.${subject}`)),
  ]);
  return { pub: rules(api), sub: rules([`${provisionerInbox}.>`]) };
}
