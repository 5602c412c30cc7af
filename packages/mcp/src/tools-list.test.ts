import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterToolsList, filterToolsListEvent } from "./tools-list.ts";

const limits = { maxBytes: 1 << 20 };
const keepShown = (name: string) => name.startsWith("s");
const filter = (text: string) => {
  const filtered = filterToolsList(Buffer.from(text), keepShown, limits);
  return filtered.ok ? Buffer.from(filtered.bytes).toString() : filtered.problem;
};
const answer = (tools: string) =>
  `{"jsonrpc":"2.0","id":1,"result":{"ttlMs":1.0,"tools":${tools},"nextCursor":"c"}}`;

describe("filterToolsList", () => {
  it.each([
    ['[{"name":"s1"},{"name":"h"},{"name":"s2"}]', '[{"name":"s1"},{"name":"s2"}]'],
    ['[{"name":"h"},{"name":"h"},{"name":"s"}]', '[{"name":"s"}]'],
    ['[ {"name":"s"} , {"name":"h"} , {"name":"h"} ]', '[ {"name":"s"} ]'],
    ['[{"name":"h"},{"name":"i"}]', "[]"],
    ['[{"name":"h"}]', "[]"],
    ['[{"name":"s"},{"title":"no name"},7,"s",{"name":7}]', '[{"name":"s"}]'],
    ['[{"name":"h","d":"]},{\\"name\\":\\"s\\""},{"n":1.50,"name":"s"}]', '[{"n":1.50,"name":"s"}]'],
    ["[]", "[]"],
  ])("turns %s into %s and leaves the rest alone", (tools, expected) => {
    expect(filter(answer(tools))).toBe(answer(expected));
  });

  it("returns the very same bytes when there is nothing to hide", () => {
    for (const text of [
      answer('[{"name":"s"}]'),
      '{"jsonrpc":"2.0","method":"x"}',
      '{"result":{"tools":1}}',
      "[]",
      "1",
    ]) {
      const bytes = Buffer.from(text);
      const filtered = filterToolsList(bytes, keepShown, limits);
      expect(filtered).toEqual({ ok: true, bytes, hidden: 0 });
      expect(filtered.ok && filtered.bytes).toBe(bytes);
    }
  });

  it("filters every answer of a batch", () => {
    const batch = `[${answer('[{"name":"h"},{"name":"s"}]')},{"x":1}, ${answer('[{"name":"s"},{"name":"h"}]')}]`;
    expect(filter(batch)).toBe(`[${answer('[{"name":"s"}]')},{"x":1}, ${answer('[{"name":"s"}]')}]`);
  });

  it("fails on a body in which another parser could see another list", () => {
    expect(filter('{"result":{"tools":[],"tools":[{"name":"h"}]}}')).toBe("duplicate-key");
    expect(filter("{")).toBe("syntax");
  });

  it("shows exactly the tools to be kept, in order, for any list and any spacing", () => {
    const tool = fc.record({
      name: fc.constantFrom("s1", "s2", "h1", "h2"),
      // A body with such a key is refused: see strict-json.test.ts.
      extra: fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes('"__proto__"')),
    });
    fc.assert(
      fc.property(fc.array(tool), fc.constantFrom(0, 1, 2), (tools, indent) => {
        const text = JSON.stringify({ result: { a: [1], tools, z: "]" } }, null, indent);
        const parsed = JSON.parse(filter(text)) as unknown;
        const expected: unknown = JSON.parse(
          JSON.stringify({ result: { a: [1], tools: tools.filter((one) => keepShown(one.name)), z: "]" } }),
        );
        expect(parsed).toEqual(expected);
      }),
    );
  });
});

describe("filterToolsListEvent", () => {
  const event = (data: string) => Buffer.from(`id: 9\nevent: message\ndata: ${data}\n\n`);

  it("rewrites the event that carries the answer and only its data", () => {
    const filtered = filterToolsListEvent(event(answer('[{"name":"h"},{"name":"s"}]')), keepShown, limits);
    expect(filtered).toMatchObject({ ok: true, hidden: 1 });
    expect(filtered.ok && Buffer.from(filtered.bytes)).toEqual(event(answer('[{"name":"s"}]')));
  });

  it("reads an answer spread over several data lines", () => {
    const raw = Buffer.from('data: {"result":\ndata: {"tools":[{"name":"h"}]}}\n\n');
    const filtered = filterToolsListEvent(raw, keepShown, limits);
    expect(filtered.ok && Buffer.from(filtered.bytes).toString()).toBe(
      'data: {"result":\ndata: {"tools":[]}}\n\n',
    );
  });

  it("passes every other event byte for byte", () => {
    for (const raw of [
      event('{"jsonrpc":"2.0","method":"notifications/progress"}'),
      Buffer.from(": ping\n\n"),
      Buffer.from("id: 1\ndata: \n\n"),
    ])
      expect(filterToolsListEvent(raw, keepShown, limits)).toEqual({ ok: true, bytes: raw, hidden: 0 });
  });

  it("fails on an event that cannot be read", () => {
    expect(filterToolsListEvent(event("{"), keepShown, limits)).toEqual({ ok: false, problem: "syntax" });
    const broken = Buffer.concat([Buffer.from("data: {}"), Buffer.from([0xff]), Buffer.from("\n\n")]);
    expect(filterToolsListEvent(broken, keepShown, limits)).toEqual({ ok: false, problem: "invalid-utf8" });
  });
});
