import type { Contract } from "@sallyport/contracts";
import { assetsOf } from "./assets.ts";
import { rules, type UserPermissions } from "./permissions.ts";

/** The provisioner's replies. No zone has this name, so no zone's inbox can be taken for it. */
export const provisionerInbox = "_INBOX.provisioner";

/** Pure: make and look at the streams that the contracts name; read, delete and purge none of them. */
export function provisionerPermissions(contracts: readonly Contract[]): UserPermissions {
  const api = assetsOf(contracts).flatMap(({ stream }) =>
    ["INFO", "CREATE", "UPDATE"].map((verb) => `$JS.API.STREAM.${verb}.${stream}`),
  );
  return { pub: rules(api), sub: rules([`${provisionerInbox}.>`]) };
}
