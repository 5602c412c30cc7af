import type { Resource, Walk } from "../resources.ts";

/** Edge and relay face others; nothing may reach the rest. */
export type Reach = "public" | "private";

export interface Finding {
  readonly address: string;
  readonly problem: string;
}

/** One promise about everything that a root makes. Pure. */
export type Rule = (walk: Walk, reach: Reach) => Finding[];

/** A rule that looks at one resource at a time. */
export function forEach(
  types: readonly string[],
  problemsOf: (resource: Resource, walk: Walk, reach: Reach) => readonly (string | false | undefined)[],
): Rule {
  return (walk, reach) =>
    walk.resources
      .filter(({ type }) => types.includes(type))
      .flatMap((resource) =>
        problemsOf(resource, walk, reach)
          .filter((problem) => typeof problem === "string")
          .map((problem) => ({ address: resource.address, problem })),
      );
}
