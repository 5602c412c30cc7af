import { createHash } from "node:crypto";
import type { TypeAndId } from "@cedar-policy/cedar-wasm/nodejs";
import { type ServerPolicies, serverPolicies } from "./decide.ts";
import { PolicyError, type PolicyFile } from "./policy-error.ts";
import { type Rule, rulesOf } from "./rule.ts";
import { entityKey, preparse, type Slice, serverOfRule, targetOfRule } from "./slice.ts";
import { validateRules } from "./validate.ts";

export interface PolicySet {
  /** Keep what it returns: it holds the server's cache. Server names come from configuration, never from a request. */
  forServer(server: string): ServerPolicies;
  /** SHA-256 over names and texts, for the audit record. */
  readonly digest: string;
  readonly count: number;
}

const MAX_POLICIES = 10_000;

/**
 * Pure part of loading. Throws PolicyError with file, line and column for anything that is not clearly a policy of this
 * vocabulary, and for no policy at all: an empty set would deny everything, which is no one's intention.
 */
export function compilePolicies(files: readonly PolicyFile[]): PolicySet {
  const rules = files.flatMap(rulesOf);
  const nowhere = { file: files[0]?.name ?? "policies", line: 0, column: 0, source: "" };
  if (rules.length === 0) throw new PolicyError("there is no policy; write at least one", nowhere);
  if (rules.length > MAX_POLICIES)
    throw new PolicyError(`there are more than ${MAX_POLICIES} policies`, nowhere);
  const byId = new Map<string, Rule>();
  for (const rule of rules) {
    const other = byId.get(rule.id);
    if (other)
      throw new PolicyError(
        `@id("${rule.id}") is also at ${other.place.file}:${other.place.line}`,
        rule.place,
      );
    byId.set(rule.id, rule);
  }
  validateRules(rules);
  const digest = digestOf(files);
  const servers = new Map<string, ServerPolicies>();
  const forServer = (server: string): ServerPolicies => {
    const known = servers.get(server);
    if (known) return known;
    const fresh = serverPolicies(server, slicesOf(rules, server, digest));
    servers.set(server, fresh);
    return fresh;
  };
  for (const server of new Set(rules.map(serverOfRule))) if (server !== undefined) forServer(server);
  return { forServer, digest, count: rules.length };
}

/**
 * A server's rules are those about it and those about all servers. Among them, each tool that some rule names has a slice
 * of its own, made when first asked about, so that a decision does not walk the rules of other tools.
 */
export function slicesOf(
  rules: readonly Rule[],
  server: string,
  digest: string,
): (resource: TypeAndId) => Slice {
  const ours = rules.filter((rule) => [undefined, server].includes(serverOfRule(rule)));
  const named = new Set(ours.map(targetOfRule).filter((target) => target !== undefined));
  const slices = new Map<string, Slice>();
  return (resource) => {
    const key = entityKey(resource);
    const target = named.has(key) ? key : "";
    const known = slices.get(target);
    if (known) return known;
    const chosen = ours.filter((rule) => [undefined, target].includes(targetOfRule(rule)));
    const slice = preparse(`${digest}/${server}/${target}`, chosen);
    slices.set(target, slice);
    return slice;
  };
}

function digestOf(files: readonly PolicyFile[]): string {
  const hash = createHash("sha256");
  for (const { name, text } of files) hash.update(JSON.stringify([name, text]));
  return hash.digest("hex");
}
