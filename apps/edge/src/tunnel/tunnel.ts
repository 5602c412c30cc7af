import type { KeyObject } from "node:crypto";
import { Link, type Road } from "@sallyport/bus";
import {
  ConnectorControl,
  encodeRecord,
  encodeRoadMessage,
  recordHeadroomBytes,
  ServiceError,
} from "@sallyport/contracts";
import type { Log } from "@sallyport/runtime";
import type { Enrolment } from "@sallyport/seal";
import { type Initiation, initiate, type SealSession } from "@sallyport/seal";
import { type GrantSigner, Grants } from "./grants.ts";

export interface TunnelDeps {
  road: Pick<Road, "send" | "atTurnEnd">;
  signer: GrantSigner & { key: KeyObject };
  log: Log;
}

/** A live seal session with one connector instance. */
export interface OpenTunnel {
  connector: string;
  link: Link;
  grants: Grants;
}

/** Between two greetings, and up to eight times as long where none is answered. A sign of life comes once a second. */
const pauseMs = 400;
/** As many may still be answered: one that was lost keeps nobody waiting, and one that is slow is not in vain. */
const maxGreetings = 3;

/**
 * Keeps one seal session with one enrolled connector: greets it when it is heard, opens a link when it answers, greets
 * again when the link dies. Whoever answers must hold the enrolled key: the handshake proves it.
 */
export class Tunnel {
  readonly enrolment: Enrolment;
  readonly #deps: TunnelDeps;
  #boot: string | undefined;
  /** Newest first; another list once none of them counts. */
  #greetings: Initiation[] = [];
  #lastGreeting = Number.NEGATIVE_INFINITY;
  /** Greetings since there was a session. */
  #unanswered = 0;
  #session: SealSession | undefined;
  #open: OpenTunnel | undefined;

  constructor(enrolment: Enrolment, deps: TunnelDeps) {
    this.enrolment = enrolment;
    this.#deps = deps;
  }

  /** The session to call through, or undefined while there is none. */
  get open(): OpenTunnel | undefined {
    return this.#open;
  }

  /** The connector says that it is there. A new boot means that its side of the session is gone. */
  heard(boot: string): void {
    if (this.#boot !== boot) this.end("the connector was restarted; try again");
    this.#boot = boot;
    this.#greet();
  }

  /** This edge stops: the connector is told, so that it ends its upstream requests at once. */
  close(): void {
    this.#open?.link.control({ type: "closing" });
    this.#open?.link.flush();
    this.end("this edge is shutting down; try again");
  }

  /** Ends the session; the next sign of life starts a new one. */
  end(reason: string): void {
    const open = this.#open;
    this.#forget();
    open?.link.close(new ServiceError("unavailable", reason));
  }

  /** Ends the session and greets at once, if the peer was heard. */
  openAnew(): void {
    this.end("this edge has changed its key; try again");
    this.#lastGreeting = Number.NEGATIVE_INFINITY;
    this.#greet();
  }

  async welcome(reply: Uint8Array): Promise<void> {
    const greetings = this.#greetings;
    let problem: unknown;
    for (const { finish } of [...greetings]) {
      try {
        const session = await finish(reply);
        if (this.#greetings === greetings) this.#start(session);
        else session.close();
        return;
      } catch (error) {
        problem = error; // It may be the answer to the one before.
      }
    }
    if (problem === undefined) return; // nobody waits for it
    const { connector } = this.enrolment;
    this.#deps.log.warn({ err: problem, connector }, "an answer to a hello does not open");
  }

  record(session: string, bytes: Uint8Array): void {
    if (this.#session?.id === session) this.#open?.link.receive(bytes);
  }

  /** The connector says that it does not know the session. A hint, and a forged one costs no more than a lost message. */
  reset(session: string): void {
    if (this.#session?.id !== session) return;
    this.end(`the ${this.enrolment.zone} has no such session any more; try again`);
    this.#greet();
  }

  #forget(): void {
    this.#session = undefined;
    this.#open = undefined;
    this.#greetings = [];
    this.#unanswered = 0;
  }

  /** Where there is no session, and a peer that was heard. */
  #greet(): void {
    if (this.#boot === undefined || this.#open !== undefined) return;
    const now = performance.now();
    const pause = pauseMs * 2 ** Math.min(Math.max(this.#unanswered - 1, 0), 3);
    if (now - this.#lastGreeting < pause) return;
    this.#lastGreeting = now;
    this.#unanswered += 1;
    this.#sendHello().catch((error: unknown) => {
      const { connector } = this.enrolment;
      this.#deps.log.error({ err: error, connector }, "a connector could not be greeted");
    });
  }

  async #sendHello(): Promise<void> {
    const { signer, road } = this.#deps;
    const { connector, publicKey } = this.enrolment;
    const greetings = this.#greetings;
    const greeting = await initiate({
      recipient: publicKey,
      edge: signer.edge,
      connector,
      signingKey: signer.key,
      now: signer.now(),
    });
    if (this.#greetings !== greetings) return;
    greetings.unshift(greeting);
    greetings.splice(maxGreetings);
    road.send(connector, encodeRoadMessage({ kind: "hello", bytes: greeting.hello }));
  }

  #start(session: SealSession): void {
    const { road, signer, log } = this.#deps;
    const { connector } = this.enrolment;
    const link = new Link({
      cipher: {
        seal: (parts) => encodeRecord(session.id, session.seal(parts, recordHeadroomBytes)),
        open: (record) => session.open(record),
      },
      atTurnEnd: (flush) => road.atTurnEnd(flush),
      send: (message) => road.send(connector, message),
      control: (message) => this.#control(message),
      dead: (error) => {
        log.warn({ connector, detail: error.detail }, error.message);
        session.close();
        if (this.#session !== session) return;
        this.#forget();
        // A message was lost, not the peer.
        this.#greet();
      },
    });
    this.#forget();
    this.#session = session;
    this.#open = { connector, link, grants: new Grants(link, signer, { connector, session: session.id }) };
    log.info({ connector }, "a tunnel is open");
  }

  #control(message: unknown): void {
    const parsed = ConnectorControl.safeParse(message);
    if (!parsed.success) {
      this.end(`the ${this.enrolment.zone} sent a message that is not understood`);
      return;
    }
    const { data } = parsed;
    if (data.type === "closing") {
      this.end(`the ${this.enrolment.zone} is shutting down; try again`);
      return;
    }
    const refusal = data.type === "refused" ? new ServiceError(data.code, data.message) : undefined;
    this.#open?.grants.answered(data.handle, refusal);
  }
}
