import { rules, type UserPermissions } from "./permissions.ts";

/** The replies to the user of the system account. */
export const relayOperatorInbox = "_INBOX.relay-operator";

/** Hand the servers an account's JWT, which they take only with the operator's signature. */
export const updateClaims = "$SYS.REQ.CLAIMS.UPDATE";
/** Each server answers. */
export const pingServers = "$SYS.REQ.SERVER.PING";
/** The connections of one account, from each server. */
export const connectionsOf = (account: string) => `$SYS.REQ.ACCOUNT.${account}.CONNZ`;

/** Pure: the three questions above and their answers. It hears no event of the relay, and no message of any tenant. */
export function relayOperatorPermissions(): UserPermissions {
  return {
    pub: rules([updateClaims, pingServers, connectionsOf("*")]),
    sub: rules([`${relayOperatorInbox}.>`]),
  };
}
