import { auditLog } from "./audit/append.ts";
import {
  claimForSandboxes,
  claimSessions,
  leaseCredential,
  leaseForSandbox,
  releaseForSandbox,
  releaseLeases,
} from "./broker/lease-credential.ts";
import { leaseLedger } from "./broker/lease-ledger.ts";
import { environmentKeys } from "./control/environment-keys.ts";
import { revocations } from "./control/revocations.ts";
import type { Contract } from "./shape/contract.ts";
import { telemetryExport } from "./telemetry/export.ts";
import { readTrace } from "./telemetry/read-trace.ts";
import { exchangeRoad, sandboxRoad } from "./tunnel/exchange-road.ts";
import { presence } from "./tunnel/presence.ts";
import { changeWork } from "./work-queue/change-work.ts";
import { workItems } from "./work-queue/work-items.ts";
import { workQueue } from "./work-queue/work-queue.ts";

/** Every contract there is. NATS permissions are generated from this list: what is not here is not allowed. */
export const contracts: readonly Contract[] = [
  exchangeRoad,
  sandboxRoad,
  presence,
  leaseCredential,
  releaseLeases,
  claimSessions,
  leaseForSandbox,
  releaseForSandbox,
  claimForSandboxes,
  leaseLedger,
  auditLog,
  telemetryExport,
  readTrace,
  revocations,
  environmentKeys,
  workQueue,
  workItems,
  changeWork,
];
