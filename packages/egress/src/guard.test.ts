import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeAddress } from "./guard.ts";
import { RANGES } from "./guarded-ranges.ts";

const refused = (address: string) => {
  const verdict = judgeAddress(address);
  expect(verdict, address).toMatchObject({ ok: false });
  return verdict.ok ? { reason: "", literal: false } : verdict;
};
const hexPair = (a: number, b: number) => ((a << 8) | b).toString(16);
/** Every IPv6 address that carries this IPv4 address. */
const carriers = (address: string): string[] => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const [high, low] = [hexPair(a, b), hexPair(c, d)];
  return [
    `::ffff:${address}`,
    `::ffff:${high}:${low}`,
    `::${high}:${low}`,
    `::ffff:0:${high}:${low}`,
    `64:ff9b::${high}:${low}`,
    `64:ff9b:1::${high}:${low}`,
    `2002:${high}:${low}::1`,
    `2001:0:808:808::${hexPair(a ^ 255, b ^ 255)}:${hexPair(c ^ 255, d ^ 255)}`, // Teredo client
    `2001:0:${high}:${low}::f7f7:f7f7`, // Teredo server
  ];
};

describe("an address that nobody dials", () => {
  test.each([
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
  ])("a metadata service: %s, in every notation, even if a route names it", (address) => {
    expect(refused(address).literal).toBe(false);
    if (address.includes(":")) return;
    for (const carrier of carriers(address)) expect(refused(carrier).literal, carrier).toBe(false);
  });

  test.each([
    "0.0.0.0",
    "0.1.2.3",
    "169.254.1.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:2::1",
    "2001:db8::1",
    "2001:1::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::a00:1",
    "4000::1",
    "::1:0:0:1",
  ])("%s", (address) => {
    expect(refused(address).literal).toBe(false);
  });

  test("what is no plain address: other notations, zones, names", () => {
    const odd = [
      "2852039166",
      "0xa9fea9fe",
      "0251.0376.0251.0376",
      "169.254.43518",
      "127.1",
      "010.0.0.1",
      "fe80::1%eth0",
    ];
    for (const text of [...odd, "fd00::1%lo", "localhost", "", " 10.0.0.1", "10.0.0.1\0", "[::1]"])
      refused(text);
  });
});

describe("a loopback address", () => {
  test.each(["127.0.0.1", "127.255.255.254", "::1"])("%s is only for a route that names it", (address) => {
    expect(refused(address).literal).toBe(true);
  });

  test("is refused in every address that carries it, even if a route names that", () => {
    for (const carrier of carriers("127.0.0.1")) expect(refused(carrier).literal, carrier).toBe(false);
  });
});

describe("an address that may be dialled", () => {
  test.each([
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.201",
    "1.1.1.1",
    "172.32.0.1",
    "fd12:3456::1",
    "2606:4700::1111",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
  ])("%s", (address) => {
    expect(judgeAddress(address)).toEqual({ ok: true });
  });
});

test("an IPv4 address is judged the same, or refused, whichever IPv6 address carries it", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const bare = judgeAddress(address);
      for (const carrier of carriers(address)) {
        if (!bare.ok) expect(judgeAddress(carrier), carrier).toMatchObject({ ok: false, literal: false });
      }
      expect(judgeAddress(`::ffff:${address}`).ok).toBe(bare.ok);
    }),
  );
});

test("every address has a verdict, and no IPv6 address outside of the allowed blocks is allowed", () => {
  fc.assert(
    fc.property(fc.ipV6(), (address) => {
      const verdict = judgeAddress(address);
      const first = Number.parseInt(address.split(":")[0] || "0", 16);
      const possible = first >> 13 === 1 || first >> 9 === 0x7e || first === 0 || first === 0x64;
      if (!possible) expect(verdict.ok, address).toBe(false);
    }),
  );
});

test("every range says what it is and where that is written", () => {
  for (const { is, source } of RANGES) expect(is !== "" && source !== "").toBe(true);
  expect(new Set(RANGES.map(({ cidr }) => cidr)).size).toBe(RANGES.length);
});

test("keeps a name that a sandbox chose out of private networks, in any notation", () => {
  for (const address of ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1"]) {
    expect(judgeAddress(address, "private"), address).toEqual({ ok: true });
    expect(judgeAddress(address, "public"), address).toMatchObject({ ok: false, literal: true });
  }
  for (const address of [
    "::ffff:10.1.2.3",
    "64:ff9b::a01:203",
    "2002:a01:203::",
    "127.0.0.1",
    "169.254.169.254",
  ])
    expect(judgeAddress(address, "public").ok, address).toBe(false);
  expect(judgeAddress("93.184.215.14", "public")).toEqual({ ok: true });
});
