import type { Enrolments } from "@sallyport/seal";

/**
 * Whether this broker believed a connector or runner once, and does no more. One that it never knew is not cut off: another
 * broker may have heard of it first.
 */
export function cutOff(enrolments: Pick<Enrolments, "get">): (connector: string) => boolean {
  const believed = new Set<string>();
  return (connector) => {
    if (enrolments.get(connector) === undefined) return believed.has(connector);
    believed.add(connector);
    return false;
  };
}
