import type { Enrolments } from "@sallyport/seal";

/** Enrolments, and who had one. */
export interface CutOff {
  /**
   * Whether this broker believed a connector or runner once, and does no more. One that it never knew is not cut off: another
   * broker may have heard of it first.
   */
  isCutOff(connector: string): boolean;
  /** Reads the enrolments again. Returns what is wrong. */
  reload(): readonly string[];
}

export function cutOff(enrolments: Pick<Enrolments, "get" | "names" | "reload">): CutOff {
  const believed = new Set<string>();
  return {
    isCutOff: (connector) => believed.has(connector) && enrolments.get(connector) === undefined,
    reload: () => {
      for (const connector of enrolments.names()) believed.add(connector);
      return enrolments.reload();
    },
  };
}
