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

const greetingPatienceMs = 2_000;
const greetingPauseMs = 500;

/**
 * Keeps one seal session with one enrolled connector: greets it when it is heard, opens a link when it answers, greets
 * again when the link dies. Whoever answers must hold the enrolled key: the handshake proves it.
 */
export class Tunnel {
  readonly enrolment: Enrolment;
  readonly #deps: TunnelDeps;
  #boot: string | undefined;
  #greeting: { hello: Initiation; since: number } | undefined;
  #lastGreeting = 0;
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
    const now = performance.now();
    const waiting = this.#greeting !== undefined && now - this.#greeting.since < greetingPatienceMs;
    if (this.#open !== undefined || waiting || now - this.#lastGreeting < greetingPauseMs) return;
    this.#lastGreeting = now;
    this.#greet().catch((error: unknown) => {
      this.#deps.log.error(
        { err: error, connector: this.enrolment.connector },
        "a connector could not be greeted",
      );
    });
  }

  /** This edge stops: the connector is told, so that it ends its upstream requests at once. */
  close(): void {
    this.#open?.link.control({ type: "closing" });
    this.#open?.link.flush();
    this.end("this edge is shutting down; try again");
  }

  /** Ends the session; the next sign of life starts a new one. */
  end(reason: string): void {
    this.#open?.link.close(new ServiceError("unavailable", reason));
    this.#greeting = undefined;
  }

  /** Ends the session and greets at once, if the peer was heard. */
  openAnew(): void {
    this.end("this edge has changed its key; try again");
    this.#lastGreeting = Number.NEGATIVE_INFINITY;
    if (this.#boot !== undefined) this.heard(this.#boot);
  }

  async welcome(reply: Uint8Array): Promise<void> {
    const greeting = this.#greeting;
    if (greeting === undefined) return;
    try {
      const session = await greeting.hello.finish(reply);
      if (this.#greeting !== greeting) return session.close();
      this.#greeting = undefined;
      this.#start(session);
    } catch (error) {
      if (this.#greeting === greeting) this.#greeting = undefined;
      this.#deps.log.warn(
        { err: error, connector: this.enrolment.connector },
        "an answer to a hello does not open",
      );
    }
  }

  record(session: string, bytes: Uint8Array): void {
    if (this.#session?.id === session) this.#open?.link.receive(bytes);
  }

  /** The connector says that it does not know the session. A hint, and a forged one costs no more than a lost message. */
  reset(session: string): void {
    if (this.#session?.id === session)
      this.end(`the ${this.enrolment.zone} has no such session any more; try again`);
  }

  async #greet(): Promise<void> {
    const { signer, road } = this.#deps;
    const { connector, publicKey } = this.enrolment;
    const hello = await initiate({
      recipient: publicKey,
      edge: signer.edge,
      connector,
      signingKey: signer.key,
      now: signer.now(),
    });
    if (this.#open !== undefined) return;
    this.#greeting = { hello, since: performance.now() };
    road.send(connector, encodeRoadMessage({ kind: "hello", bytes: hello.hello }));
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
        this.#session = undefined;
        this.#open = undefined;
      },
    });
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
