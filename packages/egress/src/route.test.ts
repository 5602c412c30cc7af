import { describe, expect, test } from "vitest";
import { parseTarget } from "./route.ts";

const fails = (code: string) => expect.objectContaining({ name: "EgressError", code });

describe("a route", () => {
  test("names a host, or the address itself", () => {
    expect(parseTarget("https://Orders.internal:8443/mcp?x=1")).toMatchObject({ literal: undefined });
    expect(parseTarget("http://127.0.0.1:8080/mcp").literal).toBe("127.0.0.1");
    expect(parseTarget("http://[::1]:8080/").literal).toBe("::1");
    expect(parseTarget("http://[fd12:3456:0:0::1]/").literal).toBe("fd12:3456::1");
    expect(parseTarget("https://xn--bcher-kva.test/").url.hostname).toBe("xn--bcher-kva.test");
  });

  test.each([
    ["another scheme", "ftp://host/"],
    ["a scheme that looks right", "httpx://host/"],
    ["no authority", "http:/host"],
    ["an empty host", "http:///path"],
    ["a user", "http://user@host/"],
    ["a password", "http://user:hunter2@host/"],
    ["a fragment", "http://host/#x"],
    ["a backslash, which browsers read as a slash", "http://good.test\\@evil.test/"],
    ["a line break, which the URL parser drops", "http://169.254.\n169.254/"],
    ["a tab", "http://ho\tst/"],
    ["a tab in its path", "http://host/a\tb"],
    ["a space", " http://host/"],
    ["letters beyond ASCII", "http://bücher.test/"],
    ["full-width digits", "http://１６９.254.169.254/"],
    ["a percent-encoded host", "http://%6c%6f%63alhost/"],
    ["a dot at the end of its host", "http://host./"],
    ["a dot at the end of an address", "http://127.0.0.1./"],
    ["port 0", "http://host:0/"],
    ["a port beyond 65535", "http://host:70000/"],
    ["a decimal address", "http://2852039166/"],
    ["a hexadecimal address", "http://0xa9fea9fe/"],
    ["an octal address", "http://0251.0376.0251.0376/"],
    ["an address with mixed notations", "http://0xa9.254.0251.254/"],
    ["a short address", "http://169.254.43518/"],
    ["a short loopback address", "http://127.1/"],
    ["a zero-padded address", "http://127.0.0.01/"],
    ["a zone", "http://[fe80::1%25eth0]/"],
    ["an unclosed bracket", "http://[::1/"],
  ])("is refused with %s", (_what, text) => {
    expect(() => parseTarget(text)).toThrow(fails("target"));
  });

  test.each([
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://224.0.0.1/",
  ])("is refused to an address that nobody dials: %s", (text) => {
    expect(() => parseTarget(text)).toThrow(fails("address-refused"));
  });

  test("is refused with a password, for that reason and without repeating it", () => {
    expect(() => parseTarget("http://user:hunter2@host/")).toThrow("holds no user or password");
    expect(() => parseTarget("http://user:hunter2@host/")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("hunter2") }),
    );
  });
});
