import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { elements, type Place, placeOf, replaceAt } from "./json-places.ts";

const bytes = (text: string) => Buffer.from(text);
const at = (text: string, place: Place | "twice" | undefined) =>
  place === undefined || place === "twice" ? place : bytes(text).subarray(place.start, place.end).toString();

describe("a value's place", () => {
  it("is found in any JSON, at any depth, whatever the white space and the spelling of the key", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.integer({ min: 0, max: 3 }), (value, other, indent) => {
        const text = JSON.stringify(
          { 'q\\"': other, a: [other], params: { x: other, t: value } },
          undefined,
          indent,
        );
        const spelt = text.replace('"params"', '"p\\u0061rams"');
        for (const one of [text, spelt])
          expect(JSON.parse(String(at(one, placeOf(bytes(one), ["params", "t"]))))).toEqual(
            JSON.parse(JSON.stringify(value)),
          );
      }),
    );
  });

  it("is none for a path that leads nowhere, or through what is no object", () => {
    expect(placeOf(bytes('{"a":1}'), ["b"])).toBeUndefined();
    expect(placeOf(bytes('{"a":[{"b":1}]}'), ["a", "b"])).toBeUndefined();
    expect(placeOf(bytes("[]"), ["a"])).toBeUndefined();
  });

  it("is told as two where a key stands twice, also spelt in another way", () => {
    expect(placeOf(bytes('{"id":1,"id":2}'), ["id"])).toBe("twice");
    expect(placeOf(bytes('{"id":1,"\\u0069d":2}'), ["id"])).toBe("twice");
    expect(at('{"id":1,"result":{"id":2}}', placeOf(bytes('{"id":1,"result":{"id":2}}'), ["id"]))).toBe("1");
  });

  it("takes another value, and every other byte stays", () => {
    const text = '{ "id" : 1e0 ,"n":0.10, "params":{"_meta":{"progressToken":"ü"}} }';
    const id = placeOf(bytes(text), ["id"]) as Place;
    const token = placeOf(bytes(text), ["params", "_meta", "progressToken"]) as Place;
    const changed = replaceAt(bytes(text), [
      { place: token, value: bytes("77") },
      { place: id, value: bytes("77") },
    ]);
    expect(Buffer.from(changed).toString()).toBe(
      '{ "id" : 77 ,"n":0.10, "params":{"_meta":{"progressToken":77}} }',
    );
  });
});

describe("the elements of a batch", () => {
  it("are cut as they stand", () => {
    const cut = elements(bytes(' [ {"a":"],"} , 2,[3] ] '))?.map((one) => Buffer.from(one).toString());
    expect(cut).toEqual(['{"a":"],"}', "2", "[3]"]);
    expect(elements(bytes('{"a":1}'))).toBeUndefined();
  });
});
