import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sessionNames } from "./session-names.ts";

const key = Buffer.alloc(32, 1);
const names = sessionNames("c1", () => [key]);
const ada = { principal: "p-ada", server: "orders" };
const session = { upstream: "their-own-name", lease: "lease-1" };

describe("the name of a session", () => {
  it("opens for who made it, also after a restart, and begins with the connector that holds it", () => {
    const name = names.seal(session, ada);
    expect(name).toMatch(/^c1\.[\w-]+$/);
    expect(sessionNames("c1", () => [Buffer.from(key)]).open(name, ada)).toEqual(session);
  });

  it("shows nothing of the upstream's name, and is another one each time", () => {
    const all = Array.from({ length: 20 }, () => names.seal(session, ada));
    expect(new Set(all).size).toBe(20);
    for (const name of all)
      expect(Buffer.from(name.slice(3), "base64url").toString("latin1")).not.toMatch(/their-own|lease-1/);
  });

  it.each([
    ["another principal", { principal: "p-eve", server: "orders" }],
    ["another server", { principal: "p-ada", server: "crm" }],
    ["a principal and server that read the same joined", { principal: "p-adaorders", server: "" }],
  ])("opens nothing for %s", (_who, owner) => {
    expect(names.open(names.seal(session, ada), owner)).toBeUndefined();
  });

  it("opens nothing at another connector, nor with another key", () => {
    const name = names.seal(session, ada);
    expect(sessionNames("c2", () => [key]).open(name, ada)).toBeUndefined();
    expect(sessionNames("c2", () => [key]).open(name.replace(/^c1/, "c2"), ada)).toEqual(session); // the same key is the same connector
    expect(sessionNames("c1", () => [Buffer.alloc(32, 2)]).open(name, ada)).toBeUndefined();
  });

  it("opens while its connector changes its key, and new ones are of the new key", () => {
    const next = Buffer.alloc(32, 2);
    const changing = sessionNames("c1", () => [next, key]);
    const name = changing.seal(session, ada);
    expect(changing.open(names.seal(session, ada), ada)).toEqual(session);
    expect(sessionNames("c1", () => [next]).open(name, ada)).toEqual(session);
    expect(names.open(name, ada)).toBeUndefined();
  });

  it("opens nothing with one bit changed, cut, or made longer", () => {
    const sealed = Buffer.from(names.seal(session, ada).slice(3), "base64url");
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = Buffer.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(names.open(`c1.${changed.toString("base64url")}`, ada)).toBeUndefined();
    }
    for (let length = 0; length < sealed.length; length += 1)
      expect(names.open(`c1.${sealed.subarray(0, length).toString("base64url")}`, ada)).toBeUndefined();
    expect(
      names.open(`c1.${Buffer.concat([sealed, Buffer.of(0)]).toString("base64url")}`, ada),
    ).toBeUndefined();
    expect(names.open(`c1.${"A".repeat(3000)}`, ada)).toBeUndefined();
  });

  it("is never made up: any text opens nothing and throws nothing", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.base64String().map((text) => `c1.${text}`),
        ),
        (name) => {
          expect(names.open(name, ada)).toBeUndefined();
        },
      ),
    );
  });
});
