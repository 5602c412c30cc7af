import {
  type Contract,
  queueGroup,
  type RequestContract,
  type StreamContract,
  subjectToken,
  type ZoneInstance,
  zones,
} from "@sallyport/contracts";
import { bucketReadRights, logReadRights, queueCountRights, queueTakeRights } from "./jetstream-rights.ts";

export interface SubjectRules {
  allow: string[];
  deny?: string[];
}

/** What one NATS user may do, in the words of a user JWT. */
export interface UserPermissions {
  pub: SubjectRules;
  sub: SubjectRules;
  /** Leave to answer a message at its reply subject: how often, and for how many nanoseconds after it came. */
  resp?: { max: number; ttl: number };
}

/** One answer a request, within a minute. */
const oneAnswer = { max: 1, ttl: 60_000_000_000 };

interface Rights {
  pub: string[];
  sub: string[];
  answers: boolean;
}

const none: Rights = { pub: [], sub: [], answers: false };

/**
 * Pure: what the contracts let this instance do, and nothing else. A placeholder named after the user's own zone, and
 * `{zone}` and `{instance}` of what it publishes, are pinned to it: the subject says who speaks, and cannot lie.
 */
export function permissionsFor(who: ZoneInstance, contracts: readonly Contract[]): UserPermissions {
  checkName(who);
  const rights = contracts.map((contract) => rightsIn(contract, who));
  const answers = rights.some((right) => right.answers);
  return {
    pub: rules(rights.flatMap((right) => right.pub)),
    sub: rules([`${inboxOf(who)}.>`, ...rights.flatMap((right) => right.sub)]),
    ...(answers ? { resp: oneAnswer } : {}),
  };
}

/** The prefix of every reply subject that this user makes. In one account, who hears `_INBOX.>` hears all answers. */
export function inboxOf(who: ZoneInstance): string {
  checkName(who);
  return `_INBOX.${who.zone}.${who.instance}`;
}

/** An allow list without entries means "all" to NATS, so the empty list is said as a denial. */
export function rules(allow: readonly string[]): SubjectRules {
  const distinct = [...new Set(allow)].sort();
  return distinct.length === 0 ? { allow: [], deny: [">"] } : { allow: distinct };
}

function checkName(who: ZoneInstance): void {
  if (!zones.includes(who.zone)) {
    throw new RangeError(`there is no zone ${JSON.stringify(who.zone)}: use one of ${zones.join(", ")}`);
  }
  subjectToken("instance", who.instance);
}

function rightsIn(contract: Contract, who: ZoneInstance): Rights {
  const spoken = { zone: who.zone, instance: who.instance, [who.zone]: who.instance };
  const heard = { [who.zone]: who.instance };
  switch (contract.kind) {
    case "request":
      return requestRights(contract, who, { spoken, heard });
    case "event":
      return {
        ...none,
        pub: contract.publishedBy.includes(who.zone) ? [contract.subject.filterFor(spoken)] : [],
        sub: contract.heardBy.includes(who.zone) ? [contract.subject.filterFor(heard)] : [],
      };
    case "stream":
      return streamRights(contract, who, { spoken, heard });
    case "log":
      return {
        ...none,
        pub: [
          ...(contract.appendedBy.includes(who.zone) ? [contract.subject.filterFor(spoken)] : []),
          ...(contract.readBy.includes(who.zone) ? logReadRights(contract) : []),
        ],
      };
    case "queue":
      return {
        ...none,
        pub: [
          ...(contract.enqueuedBy.includes(who.zone) ? [contract.subject.filterFor(spoken)] : []),
          ...(contract.takenBy.includes(who.zone) ? queueTakeRights(contract) : []),
          ...(contract.countedBy.includes(who.zone) ? queueCountRights(contract) : []),
        ],
      };
    case "bucket":
      return {
        ...none,
        pub: [
          ...(contract.writtenBy.includes(who.zone)
            ? [`$KV.${subjectToken("bucket", contract.name)}.>`]
            : []),
          ...(contract.readBy.includes(who.zone) ? bucketReadRights(contract) : []),
        ],
      };
  }
}

type Pins = Record<"spoken" | "heard", Partial<Record<string, string>>>;

function requestRights(contract: RequestContract, who: ZoneInstance, pins: Pins): Rights {
  const serves = contract.servedBy === who.zone;
  return {
    pub: contract.calledBy.includes(who.zone) ? [contract.subject.filterFor(pins.spoken)] : [],
    // "subject queue": only as a member of the zone's queue group, so that no instance listens in on its peers' work.
    sub: serves ? [`${contract.subject.filterFor(pins.heard)} ${queueGroup(who.zone)}`] : [],
    answers: serves,
  };
}

function streamRights(contract: StreamContract, who: ZoneInstance, pins: Pins): Rights {
  const pub: string[] = [];
  const sub: string[] = [];
  if (contract.caller === who.zone) {
    pub.push(contract.up.filterFor(pins.spoken));
    sub.push(contract.down.filterFor(pins.heard));
  }
  if (contract.server === who.zone) {
    pub.push(contract.down.filterFor(pins.spoken));
    sub.push(contract.up.filterFor(pins.heard));
  }
  return { pub, sub, answers: false };
}
