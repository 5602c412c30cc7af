import { CredentialName, InstanceName, ServerName } from "@sallyport/contracts";
import { z } from "zod";

/** An agent's name, or a pattern in which `*` stands for any text. */
const AgentPattern = z.string().min(1).max(512);

/**
 * The broker's own rules, in a file of their own that the security team can own. They say again, apart from the edge's
 * and the connector's policy, which credential may ever be used for what.
 */
export const LeaseRule = z.strictObject({
  /** Named in audit records. */
  id: z.string().regex(/^[A-Za-z0-9_.-]{1,64}$/),
  credential: CredentialName,
  servers: z.array(ServerName).min(1).max(256),
  /** There is no default: a rule for everybody says so with "*". */
  agents: z.union([z.literal("*"), z.array(AgentPattern).min(1).max(1024)]),
  /** Only for leases to these connectors; all enrolled ones without it. */
  connectors: z.array(InstanceName).min(1).max(256).optional(),
  /** A connector leases again shortly before the end, so a life under 30 s would be spent asking. */
  maxTtlSeconds: z.int().min(30).max(86_400),
  /** From when on the rule allows nothing. */
  notAfter: z.iso
    .datetime({ offset: true })
    .transform((text) => new Date(text))
    .optional(),
});
export type LeaseRule = z.output<typeof LeaseRule>;

export const LeaseRules = z.strictObject({
  rules: z.array(LeaseRule).min(1).max(4096),
});

/** What is wrong between rules and credentials, in words for an operator. Empty when they fit. */
export function problemsOfRules(rules: readonly LeaseRule[], credentials: readonly string[]): string[] {
  const known = new Set(credentials);
  const ruled = new Set(rules.map((rule) => rule.credential));
  const ids = rules.map((rule) => rule.id);
  return [
    ...ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `two rules have the id ${id}`),
    ...rules
      .filter((rule) => !known.has(rule.credential))
      .map(
        (rule) => `rule ${rule.id} is for credential ${rule.credential}, which \`credentials\` does not have`,
      ),
    ...credentials
      .filter((name) => !ruled.has(name))
      .map((name) => `credential ${name} has no rule, so nobody could lease it`),
  ];
}

/** Whether a name fits a pattern. Not a regular expression: no pattern can take long. */
export function fitsPattern(pattern: string, name: string): boolean {
  const [head = "", ...rest] = pattern.split("*");
  const tail = rest.pop();
  if (tail === undefined) return name === pattern;
  if (!name.startsWith(head) || name.length < head.length + tail.length || !name.endsWith(tail)) return false;
  let at = head.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > name.length - tail.length) return false;
    at = found + part.length;
  }
  return true;
}
