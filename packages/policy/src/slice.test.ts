import { type EntityJson, isAuthorized } from "@cedar-policy/cedar-wasm/nodejs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePolicies, slicesOf } from "./compile.ts";
import type { Ask } from "./decide.ts";
import { PolicyError } from "./policy-error.ts";
import { Recent } from "./recent.ts";
import { rulesOf } from "./rule.ts";
import { actionGroups, resourceOf } from "./vocabulary.ts";

describe("a slice", () => {
  const text = `
    @id("everywhere") permit(principal, action, resource);
    @id("orders-all") permit(principal, action, resource in Server::"orders");
    @id("orders-list") permit(principal, action, resource == Tool::"orders/list");
    @id("orders-drop") permit(principal, action, resource in Tool::"orders/drop");
    @id("orders-self") permit(principal, action, resource == Server::"orders");
    @id("stock-tools") permit(principal, action, resource is Tool in Server::"stock");
    @id("any-tool") permit(principal, action, resource is Tool);`;
  const ids = (server: string, action: string, target: string) =>
    slicesOf(
      rulesOf({ name: "p", text }),
      server,
      "test",
    )(resourceOf(server, action, target)).rules.map((rule) => rule.id);

  it("holds the rules of its server, of the tool asked about, and those of all servers", () => {
    expect(ids("orders", "tools/call", "list")).toEqual([
      "everywhere",
      "orders-all",
      "orders-list",
      "orders-self",
      "any-tool",
    ]);
    expect(ids("orders", "tools/call", "other")).toEqual([
      "everywhere",
      "orders-all",
      "orders-self",
      "any-tool",
    ]);
    expect(ids("stock", "tools/call", "list")).toEqual(["everywhere", "stock-tools", "any-tool"]);
    expect(ids("unheard-of", "ping", "")).toEqual(["everywhere", "any-tool"]);
  });
});

/** Random policies in the vocabulary, as text. */
const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const condition = pick(
  "",
  'when { context.target == "a" }',
  'unless { context has user && context.user == "u" }',
  "when { context.arguments.n > 1 }",
  "when { context.arguments has n && context.arguments.n > 1 }",
  'unless { context.arguments has o.x && context.arguments.o.x like "y*" }',
  "when { context.arguments == {n: 2} }",
  'when { context.arguments.l.contains("y") || context.arguments.n == 0 }',
  'when { principal in [Agent::"p", Agent::"q"] && resource != Tool::"s/a" }',
  'when { if context.arguments has n then context.target == "b" else context.arguments.o has x }',
);
const policy = fc
  .record({
    effect: pick("permit", "permit", "forbid"),
    principal: pick<unknown>(
      "principal",
      'principal == Agent::"p"',
      "principal is Agent",
      'principal in Agent::"q"',
    ),
    action: pick(
      "action",
      'action == Action::"tools/call"',
      'action in Action::"connect"',
      'action in [Action::"resources/read", Action::"connect"]',
    ),
    resource: pick(
      "resource",
      'resource in Server::"s"',
      'resource == Tool::"s/a"',
      'resource in Tool::"s/b"',
      "resource is Tool",
      'resource is Tool in Server::"s"',
      'resource is Server in Server::"s"',
      'resource == Server::"s"',
      'resource in Server::"t"',
      'resource == Tool::"t/a"',
      'resource == Resource::"s/a"',
    ),
    condition,
  })
  .map(
    ({ effect, principal, action, resource, condition: body }) =>
      `${effect}(${principal}, ${action}, ${resource}) ${body};`,
  );
const values = fc.record(
  {
    n: pick<unknown>(0, 1, 2),
    o: pick<unknown>({ x: "y1" }, { x: "z" }, {}, "o"),
    l: pick<unknown>(["y"], [], "l"),
    unread: pick<unknown>(1, "1"),
  },
  { requiredKeys: [] },
);
const question = fc.record({
  agent: pick("p", "q", "r"),
  user: pick("u", undefined),
  server: pick("s", "t", "v"),
  action: pick("tools/call", "tools/list", "ping", "resources/read", "x/y"),
  target: pick("a", "b", ""),
  arguments: values,
});

/** Cedar itself on all policies at once, with every entity and the whole of the arguments. */
function reference(texts: readonly string[], ask: Ask): boolean {
  const resource = resourceOf(ask.server, ask.action, ask.target);
  const server = { type: "Server", id: ask.server };
  const entities: EntityJson[] = [
    { uid: resource, attrs: {}, parents: resource.type === "Server" ? [] : [server] },
    ...[...actionGroups].flatMap(([group, members]) =>
      members.map((id) => ({
        uid: { type: "Action", id },
        attrs: {},
        parents: [{ type: "Action", id: group }],
      })),
    ),
  ];
  const answer = isAuthorized({
    principal: { type: "Agent", id: ask.agent },
    action: { type: "Action", id: ask.action },
    resource,
    context: {
      target: ask.target,
      ...(ask.user === undefined ? {} : { user: ask.user }),
      arguments: (ask.arguments ?? {}) as Record<string, string>,
    },
    policies: { staticPolicies: Object.fromEntries(texts.map((text, n) => [`p${n}`, text])) },
    entities,
  });
  if (answer.type === "failure") throw new Error(answer.errors[0]?.message);
  const { decision, diagnostics } = answer.response;
  return (
    decision === "allow" &&
    !diagnostics.errors.some((error) => texts[Number(error.policyId.slice(1))]?.startsWith("forbid"))
  );
}

/** Compiles what may be compiled: a drawn combination that can never apply is refused, rightly, and left out. */
function compiled(drawn: readonly string[]) {
  let texts = [...drawn];
  while (texts.length > 0) {
    try {
      const text = texts.map((one, n) => `@id("p${n}") ${one}`).join("\n");
      return { texts, set: compilePolicies([{ name: "p", text }]) };
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
      texts = texts.filter((_, n) => n + 1 !== error.line);
    }
  }
  return undefined;
}

describe("the sliced decision", () => {
  it("equals Cedar's own over all policies with all entities, and could-call never hides what is allowed", () => {
    let allowed = 0;
    fc.assert(
      fc.property(
        fc.array(policy, { minLength: 1, maxLength: 6 }),
        fc.array(question, { minLength: 1, maxLength: 8 }),
        (drawn, asks) => {
          const kept = compiled(drawn);
          fc.pre(kept !== undefined);
          const { texts, set } = kept;
          for (const ask of asks) {
            const policies = set.forServer(ask.server);
            const { allow } = policies.decide(ask);
            expect(allow).toBe(reference(texts, ask));
            expect(policies.decide(ask).allow).toBe(allow);
            if (allow) expect(policies.couldCall(ask)).toBe(true);
            allowed += Number(allow);
          }
        },
      ),
      { numRuns: 60 },
    );
    expect(allowed).toBeGreaterThan(0);
  });
});

describe("kept decisions", () => {
  const ask: Ask = { agent: "a", server: "s", action: "tools/call", target: "t" };
  const policies = (text: string) => compilePolicies([{ name: "p", text }]).forServer("s");

  it("are the same object for the same question where no rule reads an argument", () => {
    const kept = policies('@id("p") permit(principal, action, resource) when { context.target == "t" };');
    expect(kept.decide(ask)).toBe(kept.decide({ ...ask, arguments: { n: 1 } }));
    expect(kept.decide({ ...ask, target: "u" }).allow).toBe(false);
  });

  it("do not exist where a rule that covers the question reads one", () => {
    const fresh = policies('@id("p") permit(principal, action, resource) when { context.arguments.n == 1 };');
    expect(fresh.decide({ ...ask, arguments: { n: 1 } }).allow).toBe(true);
    expect(fresh.decide({ ...ask, arguments: { n: 2 } }).allow).toBe(false);
    expect(fresh.decide({ ...ask, arguments: { n: 1 } }).allow).toBe(true);
  });

  it("tell apart questions whose parts run together", () => {
    const kept = policies(
      '@id("p") permit(principal == Agent::"a", action, resource) when { !(context has user) };',
    );
    expect(kept.decide(ask).allow).toBe(true);
    for (const other of [{ agent: 'a","' }, { user: "" }, { user: "null" }, { agent: "a\u0000" }])
      expect(kept.decide({ ...ask, ...other }).allow).toBe(false);
  });

  it("are bounded in number and in the length of what is asked", () => {
    const recent = new Recent<number>(2);
    let asked = 0;
    const get = (question: string) => recent.get(question, () => ++asked);
    expect([get("a"), get("b"), get("a"), get("c"), get("a"), get("b")]).toEqual([1, 2, 1, 3, 1, 4]);
    expect(recent.size).toBe(2);
    const long = "x".repeat(1025);
    expect([get(long), get(long), get("a")]).toEqual([5, 6, 1]);
  });
});
