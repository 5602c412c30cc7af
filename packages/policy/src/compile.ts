import { createHash } from "node:crypto";
import type { TypeAndId } from "@cedar-policy/cedar-wasm/nodejs";
import { type ServerPolicies, serverPolicies } from "./decide.ts";
import { type HttpPolicies, httpPolicies } from "./decide-http.ts";
import { forbidsEverything, isHttpRule } from "./http-rules.ts";
import { PolicyError, type PolicyFile } from "./policy-error.ts";
import { type Rule, rulesOf } from "./rule.ts";
import { entityKey, preparse, type Slice, serverOfRule, targetOfRule } from "./slice.ts";
import { validateHttpRules, validateRules } from "./validate.ts";
import { isServerName } from "./vocabulary.ts";

export interface PolicySet {
  /** Keep what it returns: it holds the server's cache. Server names come from configuration, never from a request. */
  forServer(server: string): ServerPolicies;
  /** What a sandbox may send to which host. */
  readonly http: HttpPolicies;
  /** SHA-256 over names and texts, for the audit record. */
  readonly digest: string;
  readonly count: number;
}

/**
 * Pure part of loading. Throws PolicyError with file, line and column for anything that is not clearly a policy of this
 * vocabulary, and for no policy at all: an empty set would deny everything, which is no one's intention.
 */
export function compilePolicies(files: readonly PolicyFile[]): PolicySet {
  const all = files.flatMap(rulesOf);
  const nowhere = { file: files[0]?.name ?? "policies", line: 0, column: 0, source: "" };
  if (all.length === 0) throw new PolicyError("there is no policy; write at least one", nowhere);
  const byId = new Map<string, Rule>();
  for (const rule of all) {
    const other = byId.get(rule.id);
    if (other)
      throw new PolicyError(
        `@id("${rule.id}") is also at ${other.place.file}:${other.place.line}`,
        rule.place,
      );
    byId.set(rule.id, rule);
  }
  const aboutHosts = all.filter(isHttpRule);
  const rules = all.filter((rule) => !aboutHosts.includes(rule));
  validateRules(rules);
  validateHttpRules(aboutHosts);
  const digest = digestOf(files);
  const servers = new Map<string, ServerPolicies>();
  const forServer = (server: string): ServerPolicies => {
    const known = servers.get(server);
    if (known) return known;
    // A slash would let one server's tools pass for another's: "a/b" + "/c" is "a" + "/b/c".
    if (!isServerName(server)) throw new RangeError("a server's name is 1 to 64 of A-Z a-z 0-9 _ -");
    const fresh = serverPolicies(server, slicesOf(rules, server, digest));
    servers.set(server, fresh);
    return fresh;
  };
  for (const server of new Set(rules.map(serverOfRule))) if (server !== undefined) forServer(server);
  const http = httpPolicies([...aboutHosts, ...rules.filter(forbidsEverything)], digest);
  return { forServer, http, digest, count: all.length };
}

/**
 * A server's rules are those about it and those about all servers. Among them, each tool that some rule names has a slice
 * of its own, so that a decision does not walk the rules of other tools.
 */
export function slicesOf(
  rules: readonly Rule[],
  server: string,
  digest: string,
): (resource: TypeAndId) => Slice {
  const ours = rules.filter((rule) => [undefined, server].includes(serverOfRule(rule)));
  const sliceOf = (target: string | undefined): Slice =>
    preparse(
      `${digest}/${server}/${target ?? ""}`,
      ours.filter((rule) => [undefined, target].includes(targetOfRule(rule))),
    );
  const others = sliceOf(undefined);
  const named = new Map(
    [...new Set(ours.map(targetOfRule))].flatMap((target) =>
      target ? [[target, sliceOf(target)] as const] : [],
    ),
  );
  return (resource) => named.get(entityKey(resource)) ?? others;
}

function digestOf(files: readonly PolicyFile[]): string {
  const hash = createHash("sha256");
  for (const { name, text } of files) hash.update(JSON.stringify([name, text]));
  return hash.digest("hex");
}
