import { statefulIsAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import { type Decision, readAnswer } from "./decide.ts";
import { httpAction, readsContext } from "./http-rules.ts";
import type { Rule } from "./rule.ts";
import { preparse, type Slice } from "./slice.ts";

/** May this agent send this request to this host? */
export interface HttpAsk {
  readonly agent: string;
  readonly user?: string | undefined;
  /** Lower case, A-labels, no dot at the end; or an address, IPv6 without brackets. */
  readonly host: string;
  /** `CONNECT` for a tunnel that nobody looks into: methods and paths in it are not known. */
  readonly method: string;
  /** Without query; "" for a tunnel. */
  readonly path: string;
  /** `tcp`: a tunnel of something that is not TLS. */
  readonly scheme: "http" | "https" | "tcp";
  readonly port: number;
  readonly tls: boolean;
}

export interface HttpPolicies {
  decide(ask: HttpAsk): Decision;
}

const ownPort = { http: 80, https: 443, tcp: undefined } as const;

/**
 * A permit of a host means its web server. Another port is allowed only by a rule that reads `context.port`, and a tunnel
 * of something other than TLS only by one that reads `context.tls`: nobody opens SSH by allowing a host for HTTP.
 */
export function httpPolicies(rules: readonly Rule[], digest: string): HttpPolicies {
  const slices = new Map<string, Slice>();
  const sliceFor = (named: readonly string[]): Slice => {
    const name = `${digest}/http/${named.join("+")}`;
    const known = slices.get(name);
    if (known) return known;
    const counts = (rule: Rule) =>
      rule.effect === "forbid" || named.every((attribute) => readsContext(rule, attribute));
    const fresh = preparse(name, rules.filter(counts));
    slices.set(name, fresh);
    return fresh;
  };
  return {
    decide(ask) {
      const named: string[] = [];
      if (ask.port !== ownPort[ask.scheme]) named.push("port");
      if (ask.scheme === "tcp") named.push("tls");
      const slice = sliceFor(named);
      const { agent, user, host, method, path, scheme, port, tls } = ask;
      const answer = statefulIsAuthorized({
        principal: { type: "Agent", id: agent },
        action: { type: "Action", id: httpAction },
        resource: { type: "Host", id: host },
        context: { method, path, host, scheme, port, tls, ...(user === undefined ? {} : { user }) },
        preparsedPolicySetId: slice.name,
        entities: [],
      });
      const decision = readAnswer(answer, slice.rules);
      if (decision.allow || decision.ruleId !== undefined || named.length === 0) return decision;
      const names = named.map((attribute) => `context.${attribute}`).join(" and ");
      return { ...decision, reason: `${decision.reason}; a rule for this must read ${names}` };
    },
  };
}
