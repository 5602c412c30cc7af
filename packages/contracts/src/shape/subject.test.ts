import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { queueGroup, SubjectError, subjectPattern, subjectToken } from "./subject.ts";

const hostile = [
  ...["*", ">", "a.b", ".", "", " ", "a b", "\t", "a\0", "a\r\nSUB > 1", "\n", "\r", "é", "ａ", "😀", "{a}"],
  ...["$SYS", "a/b", "a\u200b", "x".repeat(65)],
];
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/);
const road = subjectPattern("tunnel.v1.up.{connector}.{edge}");

describe("a token", () => {
  test.each(hostile)("%j cannot be one, nor a queue group, nor stand in a subject", (value) => {
    expect(() => subjectToken("name", value)).toThrow(SubjectError);
    expect(() => queueGroup(value)).toThrow(SubjectError);
    expect(() => road.subjectFor({ connector: value, edge: "e1" })).toThrow(SubjectError);
    expect(() => road.subjectFor({ connector: "c1", edge: value })).toThrow(SubjectError);
    expect(() => road.filterFor({ edge: value })).toThrow(SubjectError);
    expect(road.paramsOf(`tunnel.v1.up.c1.${value}`)).toBeUndefined();
  });

  test.each([undefined, null, 7, {}, ["a"]])("%j is not text, and so not a token", (value) => {
    expect(() => subjectToken("name", value as unknown as string)).toThrow(SubjectError);
  });

  test("whatever text is tried, only letters, digits, _ and - get through", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 80 }), (value) => {
        if (/^[A-Za-z0-9_-]{1,64}$/.test(value) && !value.includes("\n"))
          expect(subjectToken("name", value)).toBe(value);
        else expect(() => subjectToken("name", value)).toThrow(SubjectError);
      }),
    );
  });

  test("a refusal shows the value so that a line break in it is seen, not printed", () => {
    expect(() => queueGroup("q 9\r\nSUB > 99")).toThrow(/"q 9\\r\\nSUB > 99"/);
  });
});

describe("a pattern", () => {
  test("what subjectFor writes, paramsOf reads back", () => {
    fc.assert(
      fc.property(token, token, (connector, edge) => {
        const subject = road.subjectFor({ connector, edge });
        expect(subject.split(".")).toHaveLength(5);
        expect(road.paramsOf(subject)).toEqual({ connector, edge });
      }),
    );
  });

  test("whatever paramsOf reads, subjectFor writes again: no other subject has the same meaning", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 4 }), { maxLength: 3 }), (tail) => {
        const subject = ["tunnel.v1.up", ...tail].join(".");
        const params = road.paramsOf(subject);
        if (params !== undefined) expect(road.subjectFor(params)).toBe(subject);
      }),
    );
  });

  test.each([
    "tunnel.v1.up.c1",
    "tunnel.v1.up.c1.e1.x",
    "tunnel.v1.down.c1.e1",
    "tunnel.v1.up..e1",
    "tunnel.v1.up.c1.*",
    "tunnel.v1.up.c1.>",
    "",
  ])("%j does not fit it", (subject) => {
    expect(road.paramsOf(subject)).toBeUndefined();
  });

  test("a filter pins what is named and leaves the rest open", () => {
    expect(road.filterFor({})).toBe("tunnel.v1.up.*.*");
    expect(road.filterFor({ edge: "e1", other: "x" })).toBe("tunnel.v1.up.*.e1");
  });

  test("a placeholder named twice throws: which of the two would the permissions pin?", () => {
    expect(() => subjectPattern("a.{b}.{b}")).toThrow(/twice/);
  });

  test.each(["", "a..b", "a.*", "a.>", "a.{}", "a.{B}", "a.{b", "a.b{c}", "a b", "a.\r\n", "$SYS.x"])(
    "%j is refused when it is written",
    (pattern) => {
      expect(() => subjectPattern(pattern)).toThrow(SubjectError);
    },
  );

  test("a forgotten placeholder does not compile, and throws where types are not looked at", () => {
    // @ts-expect-error edge is missing
    expect(() => road.subjectFor({ connector: "c1" })).toThrow(SubjectError);
    // @ts-expect-error both are missing
    expect(() => road.subjectFor({})).toThrow(SubjectError);
    const fixed = subjectPattern("collector.v1.trace");
    expect(fixed.subjectFor({})).toBe("collector.v1.trace");
  });

  test("a value from an object's prototype is not taken for a placeholder's value", () => {
    const odd = subjectPattern("a.{constructor}");
    expect(() => odd.subjectFor({} as never)).toThrow(SubjectError);
    expect(() => odd.filterFor({})).toThrow(SubjectError);
  });
});
