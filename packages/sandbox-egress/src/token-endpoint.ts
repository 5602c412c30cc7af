import type { Binding, Place } from "./placeholders.ts";
import { deepestReading, type Target } from "./request-target.ts";

/** A URL whose answers hand out credentials (RFC 6749, section 5.1): the sandbox gets placeholders in their stead. */
export interface TokenEndpoint extends Place {
  /** Public: `<name>.access_token` is what an answer's credential is called in records. A-Z a-z 0-9 . _ - */
  readonly name: string;
  /**
   * By field of the answer, where its placeholder stands for it. `access_token`, `refresh_token` and `id_token` become
   * placeholders in any case: without a binding they lead nowhere.
   */
  readonly issues: Readonly<Record<string, IssuedField>>;
}

export interface IssuedField {
  readonly bindings: readonly Binding[];
  /** Of the placeholder, for clients that check the format. */
  readonly prefix?: string | undefined;
  readonly length?: number | undefined;
}

/**
 * The endpoint that a server may take this request for. Wider than how bindings are read: where a server reads paths
 * more leniently than we do, `/Token`, `/token;x` and `/token%2F` are still asked for a token, and must not give it away.
 */
export function endpointAt(endpoints: readonly TokenEndpoint[], target: Target): TokenEndpoint | undefined {
  return endpoints.find(({ scheme, host, port, pathPrefix }) => {
    if (scheme !== target.scheme || host !== target.authority.host || port !== target.authority.port)
      return false;
    const asked = lenient(target.path);
    const own = lenient(pathPrefix);
    return asked === own || asked.startsWith(own === "/" ? own : `${own}/`);
  });
}

export function fieldOf({ issues }: TokenEndpoint, field: string): IssuedField {
  return issues[field] ?? { bindings: [] };
}

function lenient(path: string): string {
  const steps = deepestReading(path).toLowerCase().split(/[/\\]/);
  return `/${steps
    .map((step) => step.replace(/;.*/s, ""))
    .filter((step) => step !== "")
    .join("/")}`;
}
