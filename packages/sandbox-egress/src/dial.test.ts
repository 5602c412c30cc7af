import { describe, expect, it } from "vitest";
import { parseAuthority } from "./authority.ts";
import { addressOf } from "./dial.ts";

/** Judged only: nothing is dialled here. */
const judged = (place: string, answers: string[] = [], addresses = new Map<string, string>()) => {
  const parsed = parseAuthority(place, 443);
  if (!parsed.ok) throw new Error(parsed.reason);
  return addressOf(parsed.value, { addresses, resolver: () => Promise.resolve(answers) });
};

describe("where a sandbox's request is dialled", () => {
  it.each([
    "169.254.169.254",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "127.0.0.1",
    "0.0.0.0",
    "10.1.2.3",
    "192.168.0.1",
    "[::1]",
    "[fd00::1]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:a01:203]",
    "[64:ff9b::a9fe:a9fe]",
  ])("is never %s, though it is written so", async (place) => {
    await expect(judged(place)).rejects.toMatchObject({ code: "address-refused" });
  });

  it.each([
    ["metadata", ["169.254.169.254"]],
    ["loopback", ["127.0.0.1"]],
    ["a private network", ["10.0.0.7"]],
    ["one bad address among good ones", ["93.184.215.14", "192.168.0.1"]],
    ["IPv4 in IPv6", ["::ffff:10.0.0.7"]],
  ])("is no name that leads to %s", async (_what, answers) => {
    await expect(judged("name.test", answers)).rejects.toMatchObject({ code: "address-refused" });
  });

  it("is a public address, or the one that configuration gives to this name and port", async () => {
    expect(await judged("name.test", ["93.184.215.14"])).toBe("93.184.215.14");
    const addresses = new Map([["name.test:8080", "10.0.0.7"]]);
    expect(await judged("name.test:8080", [], addresses)).toBe("10.0.0.7");
    await expect(judged("name.test:8081", ["10.0.0.7"], addresses)).rejects.toThrow();
  });

  it("is no metadata service, even where configuration says so", async () => {
    const addresses = new Map([["name.test:80", "169.254.169.254"]]);
    await expect(judged("name.test:80", [], addresses)).rejects.toMatchObject({ code: "address-refused" });
  });
});
