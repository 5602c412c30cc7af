/**
 * Every message between zones, one file each: its subject, schemas, errors, and who may send and serve it. Routing,
 * validation and NATS permissions all come from here and so cannot disagree.
 *
 * Read `src/broker/lease-credential.ts` for the shape of a contract, `src/shape/` for how one is built.
 */
export { contracts } from "./src/all.ts";
export { auditLog } from "./src/audit/append.ts";
export {
  CredentialMaterial,
  claimForSandboxes,
  claimSessions,
  LeaseEntry,
  leaseBinding,
  leaseCredential,
  leaseForSandbox,
  releaseForSandbox,
  releaseLeases,
} from "./src/broker/lease-credential.ts";
export { leaseLedger } from "./src/broker/lease-ledger.ts";
export {
  EnvironmentKeyId,
  environmentKeyHash,
  environmentKeyId,
  environmentKeys,
  newEnvironmentKey,
} from "./src/control/environment-keys.ts";
export { revocationKey, revocations } from "./src/control/revocations.ts";
export {
  type BucketContract,
  bucket,
  type Contract,
  type EventContract,
  event,
  type LogContract,
  log,
  type QueueContract,
  queue,
  type RequestContract,
  request,
  type StreamContract,
  stream,
} from "./src/shape/contract.ts";
export { asServiceError, type ErrorCode, errorCodes, ServiceError } from "./src/shape/errors.ts";
export { open, redact, type Sensitivity, sensitive, sensitivityOf } from "./src/shape/fields.ts";
export { CredentialName, InstanceName, ServerName, SessionName } from "./src/shape/names.ts";
export { printable } from "./src/shape/printable.ts";
export {
  type Params,
  queueGroup,
  SubjectError,
  type SubjectPattern,
  subjectPattern,
  subjectToken,
} from "./src/shape/subject.ts";
export { type Zone, type ZoneInstance, zones } from "./src/shape/zones.ts";
export { telemetryExport } from "./src/telemetry/export.ts";
export { readTrace, Span } from "./src/telemetry/read-trace.ts";
export { ExchangeHead, ReplyHead } from "./src/tunnel/exchange-head.ts";
export { exchangeRoad, sandboxRoad } from "./src/tunnel/exchange-road.ts";
export { ConnectorControl, EdgeControl } from "./src/tunnel/grant-control.ts";
export { presence } from "./src/tunnel/presence.ts";
export {
  decodeRoadMessage,
  encodeRecord,
  encodeRoadMessage,
  type RoadMessage,
  recordHeadroomBytes,
} from "./src/tunnel/road-message.ts";
export { maxDemands, maxPools, SandboxDemands, SandboxReport } from "./src/tunnel/sandbox-report.ts";
export { WorkAnswer, WorkQuestion } from "./src/tunnel/work-question.ts";
export { changeWork } from "./src/work-queue/change-work.ts";
export { Capabilities, PoolName, Requirements } from "./src/work-queue/requirements.ts";
export { WorkId, WorkItem } from "./src/work-queue/work-item.ts";
export { workItems } from "./src/work-queue/work-items.ts";
export { workQueue } from "./src/work-queue/work-queue.ts";
