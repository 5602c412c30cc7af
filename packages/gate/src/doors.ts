import type { KeyObject } from "node:crypto";
import { type Incoming, Link, type Road } from "@sallyport/bus";
import {
  asServiceError,
  decodeRoadMessage,
  EdgeControl,
  encodeRecord,
  encodeRoadMessage,
  recordHeadroomBytes,
  ServiceError,
} from "@sallyport/contracts";
import type { Log } from "@sallyport/runtime";
import { type Accepted, respond, type SealSession, seenHellos } from "@sallyport/seal";
import type { GateZone } from "./call.ts";
import { type GrantChecks, LinkGrants, type LiveGrant } from "./grants.ts";

export interface DoorDeps {
  zone: GateZone;
  connector: string;
  /** Newest first. */
  privateKeys(): readonly Uint8Array[];
  edgeKeys(edge: string): readonly KeyObject[];
  road: Pick<Road, "send" | "atTurnEnd">;
  checks: GrantChecks;
  log: Log;
  now(): Date;
  /** A call with its body, and the grants that it may name. */
  call(exchange: Incoming, grants: LinkGrants): void;
  /** A grant was opened or renewed, or refused, for the record. Throwing refuses it. */
  granted(grant: LiveGrant): Promise<void>;
}

interface Door {
  session: SealSession;
  link: Link;
  grants: LinkGrants;
  /** The key that its edge has shown. */
  edgeKey: KeyObject;
}

const maxDoorsPerEdge = 4;

/**
 * The connector's end of the tunnels: it listens to nothing but NATS, answers hellos of enrolled edges, and hands the
 * calls that arrive sealed to the gate.
 */
export class Doors {
  readonly #deps: DoorDeps;
  readonly #seen = seenHellos();
  readonly #doors = new Map<string, Map<string, Door>>();

  constructor(deps: DoorDeps) {
    this.#deps = deps;
  }

  /** A message of the road. `edge` is whom NATS let publish on that subject. */
  message(edge: string, bytes: Uint8Array): void {
    const message = decodeRoadMessage(bytes);
    if (message === undefined) return;
    switch (message.kind) {
      case "hello":
        this.#answer(edge, message.bytes).catch((error: unknown) => {
          this.#deps.log.warn({ err: error, edge }, "a hello was refused");
        });
        return;
      case "record": {
        const door = this.#doors.get(edge)?.get(message.session);
        if (door) door.link.receive(message.bytes);
        else this.#deps.road.send(edge, encodeRoadMessage({ kind: "reset", session: message.session }));
        return;
      }
      case "welcome":
      case "reset":
        return;
    }
  }

  sweep(): void {
    for (const [edge, doors] of this.#doors) {
      for (const { grants, link, edgeKey } of [...doors.values()]) {
        // An edge that was taken out, or has put this key away, is not believed any longer.
        const counts = this.#deps.edgeKeys(edge).some((key) => key.equals(edgeKey));
        if (counts) grants.sweep();
        else link.close(new ServiceError("unavailable", "the edge's key does not count any more"));
      }
    }
  }

  get size(): number {
    return this.#all().length;
  }

  close(): void {
    for (const { link } of this.#all()) {
      link.control({ type: "closing" });
      link.flush();
      link.close(new ServiceError("unavailable", `the ${this.#deps.zone} is shutting down; try again`));
    }
  }

  #all(): Door[] {
    return [...this.#doors.values()].flatMap((doors) => [...doors.values()]);
  }

  async #answer(edge: string, hello: Uint8Array): Promise<void> {
    const { connector, privateKeys, edgeKeys, road, now } = this.#deps;
    const accepted = await respond(hello, {
      ...{ privateKey: privateKeys(), connector, edgeKey: edgeKeys },
      ...{ seen: this.#seen, now: now() },
    });
    if (accepted.edge !== edge) {
      accepted.session.close();
      throw new ServiceError("denied", `edge ${accepted.edge} speaks on the subject of ${edge}`);
    }
    this.#open(edge, accepted);
    road.send(edge, encodeRoadMessage({ kind: "welcome", bytes: accepted.reply }));
  }

  #open(edge: string, { session, edgeKey }: Accepted): void {
    const { road, checks, log } = this.#deps;
    const doors = this.#doors.get(edge) ?? new Map<string, Door>();
    this.#doors.set(edge, doors);
    const grants = new LinkGrants({ session: session.id, edge }, checks);
    const link = new Link({
      cipher: {
        seal: (parts) => encodeRecord(session.id, session.seal(parts, recordHeadroomBytes)),
        open: (record) => session.open(record),
      },
      atTurnEnd: (flush) => road.atTurnEnd(flush),
      send: (message) => road.send(edge, message),
      opened: (exchange) => this.#deps.call(exchange, grants),
      control: (message) => this.#control(message, { link, grants }),
      dead: (error) => {
        log.info({ edge, detail: error.detail }, error.message);
        session.close();
        doors.delete(session.id);
      },
    });
    doors.set(session.id, { session, link, grants, edgeKey });
    // An edge has one live session; a few more may be left of its earlier lives until their heartbeats end them.
    const [oldest] = doors.values();
    if (doors.size > maxDoorsPerEdge)
      oldest?.link.close(new ServiceError("exhausted", "too many sessions with this edge"));
    log.info({ edge }, "a tunnel is open");
  }

  #control(message: unknown, door: { link: Link; grants: LinkGrants }): void {
    const parsed = EdgeControl.safeParse(message);
    if (!parsed.success) {
      door.link.close(new ServiceError("unavailable", "the edge sent a message that is not understood"));
      return;
    }
    const { data } = parsed;
    if (data.type === "closing") {
      door.link.close(new ServiceError("unavailable", "the edge is shutting down"));
      return;
    }
    if (data.type === "drop") {
      door.grants.drop(data.handle, new ServiceError("unauthenticated", "the grant has ended"));
      return;
    }
    const refuse = (error: ServiceError) =>
      door.link.control({ type: "refused", handle: data.handle, code: error.code, message: error.message });
    door.grants
      .open(data)
      .then(
        (live) => {
          door.link.control({ type: "granted", handle: data.handle });
          return this.#deps.granted(live);
        },
        (thrown: unknown) => {
          this.#deps.log.warn({ err: thrown, handle: data.handle }, "a grant was refused");
          refuse(asServiceError(thrown));
        },
      )
      .catch((cause: unknown) => {
        this.#deps.log.error({ err: cause }, "a grant could not be recorded");
        const error = new ServiceError("unavailable", "the grant could not be recorded; try again", {
          cause,
        });
        door.grants.drop(data.handle, error);
        // The edge was told that it is granted: without this it would name a handle that nobody knows, for ever.
        refuse(error);
      });
  }
}
