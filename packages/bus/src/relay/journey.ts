import type { ServiceError } from "@sallyport/contracts";
import type { RelayJourney } from "./transport.ts";

interface JourneyLog {
  warn(fields: object, message: string): void;
}

/** Which servers were tried and what came of it. A problem is logged once for each server, until it is another one. */
export class Journey implements RelayJourney {
  /** The server that was reached last. */
  server: string | undefined;
  certificateUntil: Date | undefined;
  readonly #problems = new Map<string, ServiceError>();
  readonly #servers: readonly string[];
  readonly #log: JourneyLog;
  #refused = false;
  #over = false;

  constructor(servers: readonly string[], log: JourneyLog) {
    this.#servers = servers;
    this.#log = log;
  }

  reached(server: string, certificateUntil: Date | undefined): void {
    this.server = server;
    this.certificateUntil = certificateUntil;
    this.#problems.delete(server);
  }

  failed(server: string, why: ServiceError): void {
    if (this.#over) return;
    const known = this.#problems.get(server)?.message === why.message;
    this.#problems.set(server, why);
    if (!known)
      this.#log.warn({ server, problem: why.message, detail: why.detail }, "NATS is not reached this way");
  }

  /** A server that was reached does not take this user. Returns whether that is news. */
  refused(): boolean {
    const news = !this.#refused;
    this.#refused = true;
    return news;
  }

  /** Whether waiting helps nowhere: somebody has to mend something for each server, or who this is. */
  hopeless(): boolean {
    if (this.#refused) return true;
    return this.#servers.every((server) => this.#problems.get(server)?.code === "denied");
  }

  /** What is wrong, in one line. */
  problems(): string {
    return this.#servers
      .map((server) => this.#problems.get(server)?.message ?? `${server} does not answer`)
      .join("; ");
  }

  arrived(): void {
    this.#problems.clear();
    this.#refused = false;
  }

  /** What is broken off from here on is no problem. */
  end(): void {
    this.#over = true;
  }
}
