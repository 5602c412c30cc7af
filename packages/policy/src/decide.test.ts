import { describe, expect, it } from "vitest";
import { compilePolicies } from "./compile.ts";
import { type Ask, readAnswer } from "./decide.ts";

const rules = (text: string, server = "orders") =>
  compilePolicies([{ name: "p.cedar", text }]).forServer(server);
const base: Ask = { agent: "bob", server: "orders", action: "tools/call", target: "refund" };
const decide = (text: string, ask: Partial<Ask> = {}) => rules(text).decide({ ...base, ...ask });
const permitAll = '@id("all") permit(principal, action, resource);';
const refunds = `@id("small-only") @reason("refunds above 100 need a person")
  forbid(principal, action == Action::"tools/call", resource == Tool::"orders/refund")
  unless { context.arguments has amount && context.arguments.amount <= 100 };`;

describe("decide", () => {
  it("denies what no rule allows", () => {
    expect(decide('@id("a") permit(principal == Agent::"eve", action, resource);')).toEqual({
      allow: false,
      ruleId: undefined,
      reason: "no rule allows it",
    });
  });

  it("says which rule allowed and which forbade, with its reason", () => {
    expect(decide(permitAll)).toEqual({ allow: true, ruleId: "all" });
    expect(decide(`${permitAll} @id("no") forbid(principal, action, resource);`)).toEqual({
      allow: false,
      ruleId: "no",
      reason: "forbidden",
    });
    expect(decide(permitAll + refunds, { arguments: { amount: 101 } })).toEqual({
      allow: false,
      ruleId: "small-only",
      reason: "refunds above 100 need a person",
    });
    expect(decide(permitAll + refunds, { arguments: { amount: 100 } })).toEqual({
      allow: true,
      ruleId: "all",
    });
    expect(decide(permitAll + refunds)).toMatchObject({ allow: false, ruleId: "small-only" });
  });

  it("tells agents, users, actions, tools and servers apart", () => {
    const text = `@id("a") permit(principal == Agent::"bob", action == Action::"tools/call", resource == Tool::"orders/refund")
      when { context has user && context.user == "ann" };`;
    expect(decide(text, { user: "ann" }).allow).toBe(true);
    for (const other of [
      { user: "eve" },
      { user: undefined },
      { agent: "eve" },
      { action: "prompts/get" },
      { target: "list" },
      { target: "" },
    ])
      expect(decide(text, { user: "ann", ...other }).allow).toBe(false);
    expect(rules(text, "stock").decide({ ...base, server: "stock", user: "ann" }).allow).toBe(false);
  });

  it("denies a question about another server than its own", () => {
    expect(decide(permitAll, { server: "stock" })).toMatchObject({ allow: false, ruleId: undefined });
    expect(rules(permitAll).couldCall({ ...base, server: "stock" })).toBe(false);
  });

  it("knows handshake and lists as one group, and nothing else in it", () => {
    const text = '@id("c") permit(principal, action in Action::"connect", resource in Server::"orders");';
    for (const action of ["initialize", "ping", "tools/list", "server/discover", "notifications/initialized"])
      expect(decide(text, { action, target: "" }).allow).toBe(true);
    for (const action of [
      "tools/call",
      "resources/read",
      "completion/complete",
      "tasks/get",
      "connect/x",
      "x/y",
    ])
      expect(decide(text, { action }).allow).toBe(false);
  });

  it("lets a list of actions hold groups and actions", () => {
    const text =
      '@id("c") permit(principal, action in [Action::"connect", Action::"tools/call"], resource in Server::"orders");';
    expect(decide(text, { action: "ping" }).allow).toBe(true);
    expect(decide(text).allow).toBe(true);
    expect(decide(text, { action: "prompts/get" }).allow).toBe(false);
  });

  it("knows tools, prompts and resources by type", () => {
    const text = `@id("r") permit(principal, action, resource is Resource in Server::"orders") when { context.target like "file:///public/*" };
      @id("t") permit(principal, action, resource is Tool);`;
    expect(decide(text, { action: "resources/read", target: "file:///public/a" })).toEqual({
      allow: true,
      ruleId: "r",
    });
    expect(decide(text, { action: "resources/read", target: "file:///etc" }).allow).toBe(false);
    expect(decide(text)).toEqual({ allow: true, ruleId: "t" });
    expect(decide(text, { action: "prompts/get" }).allow).toBe(false);
  });

  it("lets a condition name several agents", () => {
    const text =
      '@id("a") permit(principal, action, resource) when { principal in [Agent::"ann", Agent::"bob"] };';
    expect(decide(text).allow).toBe(true);
    expect(decide(text, { agent: "eve" }).allow).toBe(false);
  });

  it("does not mix up a server and a tool whose names run together", () => {
    const text = '@id("a") permit(principal, action, resource == Tool::"orders/a/b");';
    expect(decide(text, { target: "a/b" }).allow).toBe(true);
    expect(decide(text, { target: "b" }).allow).toBe(false);
  });
});

describe("a rule that cannot be evaluated", () => {
  it("denies when it is a forbid, although Cedar alone would allow", () => {
    const text = `${permitAll} @id("f") forbid(principal, action, resource) when { context.arguments.amount > 100 };`;
    expect(decide(text, { arguments: { amount: 5 } }).allow).toBe(true);
    for (const values of [{}, { amount: "5" }, { amount: { n: 1 } }, { amount: [5] }, undefined])
      expect(decide(text, { arguments: values })).toMatchObject({
        allow: false,
        ruleId: "f",
        reason: expect.stringContaining("missing or of another type") as string,
      });
  });

  it("does not apply when it is a permit, and the answer says so", () => {
    const text = '@id("p") permit(principal, action, resource) when { context.arguments.amount < 100 };';
    expect(decide(text, { arguments: { amount: 5 } })).toEqual({ allow: true, ruleId: "p" });
    expect(decide(text)).toMatchObject({
      allow: false,
      ruleId: undefined,
      reason: expect.stringMatching(/no rule allows it; rule "p" might/) as string,
    });
  });

  it("does not hide another rule's forbid or stop another rule's permit", () => {
    const text = `@id("p") permit(principal, action, resource) when { context.arguments.x == 1 }; ${permitAll}`;
    expect(decide(text, {})).toEqual({ allow: true, ruleId: "all" });
    const both = `${permitAll} @id("f") forbid(principal, action, resource) when { context.arguments.x > 1 };
      @id("g") @reason("closed") forbid(principal, action, resource);`;
    expect(decide(both)).toEqual({ allow: false, ruleId: "g", reason: "closed" });
  });

  it("denies when it fails on something that is no argument", () => {
    const text = `${permitAll} @id("f") forbid(principal, action, resource) when { 9007199254740991 * 9007199254740991 > 0 };`;
    expect(decide(text)).toMatchObject({
      allow: false,
      ruleId: "f",
      reason: expect.stringContaining("something") as string,
    });
  });

  it("denies when the engine itself gives no answer", () => {
    expect(readAnswer({ type: "failure", errors: [], warnings: [] }, [])).toMatchObject({
      allow: false,
      ruleId: undefined,
    });
    const response = { decision: "allow" as const, diagnostics: { reason: ["unheard-of"], errors: [] } };
    expect(readAnswer({ type: "success", response, warnings: [] }, [])).toMatchObject({ allow: false });
  });
});

describe("an argument that Cedar cannot hold", () => {
  const text = `${permitAll} @id("f") forbid(principal, action, resource == Tool::"orders/refund")
    when { context.arguments has limit && context.arguments.limit.max > 100 };`;
  const deep = (depth: number): unknown => (depth === 0 ? 1 : { a: deep(depth - 1) });

  it.each<[string, unknown]>([
    ["null", null],
    ["a fraction", { max: 1.5 }],
    ["an integer that a double rounds", { max: 2 ** 53 }],
    ["infinity", { max: Number.POSITIVE_INFINITY }],
    ["a null below", { max: null }],
    ["an entity in Cedar's JSON", { max: { __entity: { type: "Agent", id: "x" } } }],
    ["a decimal in Cedar's JSON", { max: { __extn: { fn: "decimal", arg: "1.0" } } }],
    ["half of a surrogate pair", { max: "\ud800" }],
    ["half of one in a key", { max: { "\ud800": 1 } }],
    ["a nesting beyond the bound", { max: deep(18) }],
    ["more values than the bound", { max: Array(2001).fill(0) }],
    ["more text than the bound", { max: ["x".repeat(200_000), "x".repeat(200_000)] }],
  ])("denies as %s where a rule reads it, and names the rule", (_, limit) => {
    expect(decide(text, { arguments: { limit } })).toMatchObject({
      allow: false,
      ruleId: "f",
      reason: expect.stringMatching(/^rule "f" reads arguments\.limit/) as string,
    });
    expect(decide(text, { arguments: { other: limit } }).allow).toBe(true);
    expect(decide(text, { arguments: { limit }, target: "list" }).allow).toBe(true);
    expect(decide(text, { arguments: { limit: { max: 5, other: limit } } }).allow).toBe(true);
  });

  it.each(["Limit", "LIMIT", "lİmit"])(
    "denies as %s beside or instead of the name that a rule reads",
    (key) => {
      const variant = key.toUpperCase().toLowerCase() === "limit";
      expect(decide(text, { arguments: { [key]: { max: 1 } } }).allow).toBe(!variant);
      expect(decide(text, { arguments: { limit: { max: 5, Max: 500 } } })).toMatchObject({
        allow: false,
        reason: expect.stringContaining("letter case") as string,
      });
    },
  );

  it("denies as a key with a long s or a Kelvin sign, which Go's parser folds", () => {
    const spelled = `${permitAll} @id("f") forbid(principal, action, resource) when { context.arguments has sink };`;
    for (const key of ["ſink", "sin\u212a", "SINK"])
      expect(decide(spelled, { arguments: { [key]: 1 } }).allow).toBe(false);
    expect(decide(spelled, { arguments: { sinks: 1 } }).allow).toBe(true);
  });

  it("matters only as null where a rule asks for its presence alone", () => {
    const asked = '@id("p") permit(principal, action, resource) when { context.arguments has note };';
    expect(decide(asked, { arguments: { note: 1.5 } }).allow).toBe(true);
    expect(decide(asked, { arguments: { note: [null] } }).allow).toBe(true);
    expect(decide(asked, { arguments: { note: null } })).toMatchObject({ allow: false, ruleId: "p" });
    expect(decide(asked, { arguments: {} }).allow).toBe(false);
  });

  it("denies within arguments that are read as a whole", () => {
    const whole = '@id("p") permit(principal, action, resource) when { context.arguments == {a: 1} };';
    expect(decide(whole, { arguments: { a: 1 } }).allow).toBe(true);
    expect(decide(whole, { arguments: { a: 1, b: 2 } }).allow).toBe(false);
    expect(decide(whole, { arguments: { a: 1, b: null } })).toMatchObject({ allow: false, ruleId: "p" });
  });
});

describe("arguments that Cedar can hold", () => {
  it("reach conditions as booleans, integers, text, sets and records", () => {
    const text = `@id("p") permit(principal, action, resource) when {
      context.arguments.flag && context.arguments.n == -3 && context.arguments.s like "a*" &&
      context.arguments.list.contains("x") && context.arguments.deep["a b"].c == 1 && context.arguments has deep.d };`;
    const values = {
      flag: true,
      n: -3,
      s: "abc",
      list: ["x", "y"],
      deep: { "a b": { c: 1 }, d: "" },
      unread: null,
    };
    expect(decide(text, { arguments: values })).toEqual({ allow: true, ruleId: "p" });
  });
});

describe("couldCall", () => {
  const could = (text: string, ask: Partial<Ask> = {}) => rules(text).couldCall({ ...base, ...ask });

  it("is the decision where no rule reads an argument", () => {
    expect(could(permitAll)).toBe(true);
    expect(could('@id("a") permit(principal == Agent::"eve", action, resource);')).toBe(false);
    expect(could(`${permitAll} @id("f") forbid(principal, action, resource);`)).toBe(false);
  });

  it.each<[string, string, boolean]>([
    [
      "a permit on arguments",
      '@id("p") permit(principal, action, resource) when { context.arguments.n < 5 };',
      true,
    ],
    [
      "a permit that tests for one",
      '@id("p") permit(principal, action, resource) when { context.arguments has n };',
      true,
    ],
    [
      "a permit on arguments and another agent",
      '@id("p") permit(principal == Agent::"eve", action, resource) when { context.arguments.n < 5 };',
      false,
    ],
    [
      "a permit on arguments and a false condition",
      '@id("p") permit(principal, action, resource) when { context.target == "x" && context.arguments.n < 5 };',
      false,
    ],
    [
      "a permit on arguments and a user who is absent",
      '@id("p") permit(principal, action, resource) when { context has user && context.arguments.n == context.user };',
      false,
    ],
    ["a forbid on arguments beside a permit", permitAll + refunds, true],
    ["a forbid on arguments alone", refunds, false],
    [
      "a forbid on arguments, a permit and a plain forbid",
      `${permitAll}${refunds} @id("f") forbid(principal, action, resource);`,
      false,
    ],
    [
      "a forbid that surely fails",
      `${permitAll}${refunds} @id("f") forbid(principal, action, resource) when { 9007199254740991 * 9007199254740991 > 0 };`,
      false,
    ],
  ])("with %s", (_, text, expected) => {
    expect(could(text)).toBe(expected);
    expect(could(text)).toBe(expected);
  });

  it("depends on the user where a rule does", () => {
    const text =
      '@id("p") permit(principal, action, resource) when { context has user && context.user == "ann" && context.arguments.n < 5 };';
    const policies = rules(text);
    expect(policies.couldCall({ ...base, user: "ann" })).toBe(true);
    expect(policies.couldCall({ ...base, user: "eve" })).toBe(false);
    expect(policies.couldCall(base)).toBe(false);
  });
});
