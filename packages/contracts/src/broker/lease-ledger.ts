import { bucket } from "../shape/contract.ts";
import { LeaseEntry } from "./lease-credential.ts";

/** Every lease that is not known to be revoked. It outlives the broker's process, so a crash leaves nothing behind. */
export const leaseLedger = bucket({
  name: "leases",
  value: LeaseEntry,
  writtenBy: ["broker"],
  readBy: ["broker"],
  ttlSeconds: 0,
});
