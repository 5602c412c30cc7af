import type { Enrolment } from "@sallyport/seal";

/** A zone whose instances edge and broker believe by their enrolled keys, in the words of its commands. */
export interface EnrolledZone {
  readonly zone: Enrolment["zone"];
  /** What an instance answers for: `--servers`, `--pools`. */
  readonly offers: "servers" | "pools";
  /** Of the examples. */
  readonly instance: string;
  readonly offered: string;
  /** What whoever swaps its key does. */
  readonly swapped: string;
}

export const connectorZone: EnrolledZone = {
  ...{ zone: "connector", offers: "servers", instance: "connector-1", offered: "orders,tickets" },
  swapped: "reads every call",
};

export const runnerZone: EnrolledZone = {
  ...{ zone: "runner", offers: "pools", instance: "runner-1", offered: "sandbox" },
  swapped: "reads every call, and runs it where it likes",
};
