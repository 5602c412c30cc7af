import { ServiceError, type StreamContract } from "@sallyport/contracts";
import type { Bus } from "./connect.ts";
import type { Closable } from "./serve.ts";

/** One end of a stream contract: sends to a named peer, hears from any, and believes the subject about which. */
export interface Road extends Closable {
  /** False when NATS is away: the caller's session is broken then, and says so. */
  send(peer: string, bytes: Uint8Array): boolean;
  /** What is sent from here leaves in one write with all else of this turn of the event loop. */
  atTurnEnd(job: () => void): void;
}

export function openRoad(
  bus: Bus,
  contract: StreamContract,
  on: { message(peer: string, bytes: Uint8Array): void },
): Road {
  const calling = bus.who.zone === contract.caller;
  if (!calling && bus.who.zone !== contract.server) {
    throw new ServiceError("denied", `${bus.who.zone} has no part in ${contract.up.pattern}`);
  }
  const peerZone = calling ? contract.server : contract.caller;
  const mine = calling ? contract.down : contract.up;
  const theirs = calling ? contract.up : contract.down;
  const subjects = new Map<string, string>();
  const subjectFor = (peer: string) => {
    let subject = subjects.get(peer);
    if (subject === undefined) {
      subject = theirs.subjectFor({ [peerZone]: peer, [bus.who.zone]: bus.who.instance });
      subjects.set(peer, subject);
    }
    return subject;
  };
  const subscription = bus.nats.subscribe(mine.filterFor({ [bus.who.zone]: bus.who.instance }), {
    callback: (error, message) => {
      if (error !== null) return;
      // The peer is the last token of both patterns; NATS permissions pin it for whoever publishes.
      const peer = message.subject.slice(message.subject.lastIndexOf(".") + 1);
      if (message.data.length > 0 && message.data.length <= contract.maxBytes) on.message(peer, message.data);
    },
  });
  return {
    send: (peer, bytes) => {
      if (!bus.connected()) return false;
      bus.nats.publish(subjectFor(peer), bytes);
      return true;
    },
    atTurnEnd: (job) => bus.turn.atEnd(job),
    close: async () => {
      subscription.unsubscribe();
    },
  };
}
