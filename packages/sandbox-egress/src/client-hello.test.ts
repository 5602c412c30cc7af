import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { helloOf, inRecords } from "./client-hello.fixture.ts";
import { readOpening } from "./client-hello.ts";

const hello = await helloOf({ servername: "api.test", ALPNProtocols: ["h2", "http/1.1"] });
const withName = (name: string) => Buffer.from(hello.toString("latin1").replace("api.test", name), "latin1");

/** Puts another extension in front, and corrects the lengths around. */
function withExtension(type: number, body = Buffer.alloc(0)): Buffer {
  const sessionId = hello[5 + 4 + 34] ?? 0;
  let at = 5 + 4 + 34 + 1 + sessionId;
  at += 2 + hello.readUInt16BE(at);
  at += 1 + (hello[at] ?? 0);
  const extension = Buffer.concat([
    Buffer.from([type >> 8, type & 255, body.length >> 8, body.length & 255]),
    body,
  ]);
  const out = Buffer.concat([hello.subarray(0, at + 2), extension, hello.subarray(at + 2)]);
  out.writeUInt16BE(hello.readUInt16BE(3) + extension.length, 3);
  out.writeUInt16BE(hello.readUInt16BE(7) + extension.length, 7);
  out.writeUInt16BE(hello.readUInt16BE(at) + extension.length, at);
  return out;
}

describe("the first bytes of a tunnel", () => {
  it("tell the name that the client asks for", () => {
    expect(readOpening(hello)).toEqual({ is: "hello", serverName: "api.test" });
    expect(readOpening(withName("abc.test"))).toEqual({ is: "hello", serverName: "abc.test" });
  });

  it("may come in many records and any pieces", () => {
    for (const size of [32, 100, 1_000]) {
      const split = inRecords(hello, size);
      expect(readOpening(split)).toEqual({ is: "hello", serverName: "api.test" });
      for (let end = 0; end < split.length; end += 13)
        expect(readOpening(split.subarray(0, end)).is).toBe("incomplete");
    }
  });

  it("in more records than any client makes is broken: reading it again and again would be an attack on the proxy", () => {
    expect(readOpening(inRecords(hello, 7))).toMatchObject({
      is: "broken",
      reason: expect.stringContaining("too many records"),
    });
  });

  it("may name nobody", async () => {
    expect(readOpening(await helloOf({ host: "127.0.0.1" }))).toEqual({ is: "hello", serverName: undefined });
  });

  it("of anything but TLS are told apart", () => {
    for (const text of [
      "GET / HTTP/1.1\r\n",
      "SSH-2.0-x\r\n",
      "CONNECT evil.test:443 HTTP/1.1\r\n",
      "\x16GET",
    ])
      expect(readOpening(Buffer.from(text)).is).toBe("not-tls");
  });

  it("with a hidden name, an extension twice, or bytes behind are broken", () => {
    expect(readOpening(withExtension(0xfff0))).toEqual({ is: "hello", serverName: "api.test" });
    expect(readOpening(withExtension(0xfe0d))).toMatchObject({ is: "broken" });
    expect(readOpening(withExtension(0, Buffer.from("\0\x0b\0\0\x08evil.tst", "latin1")))).toMatchObject({
      is: "broken",
    });
    expect(readOpening(Buffer.concat([hello, Buffer.from([22, 3, 1, 0, 1, 2])])).is).toBe("hello");
    const longer = Buffer.concat([hello, Buffer.from([1])]);
    longer.writeUInt16BE(hello.readUInt16BE(3) + 1, 3);
    expect(readOpening(longer)).toMatchObject({ is: "broken", reason: expect.stringContaining("follows") });
  });

  it("with two names, a name of another type or lengths that lie are broken", () => {
    const at = hello.indexOf("api.test");
    const broken = (offset: number, value: number) => {
      const copy = Buffer.from(hello);
      copy[at + offset] = value;
      return readOpening(copy).is;
    };
    expect(broken(-3, 1)).toBe("broken"); // type
    expect(broken(-1, 5)).toBe("broken"); // the name is shorter than its list
    expect(broken(-1, 9)).toBe("broken");
    expect(broken(-4, 20)).toBe("broken"); // the list is longer than the extension
    const shorter = Buffer.from(hello);
    shorter[at - 4] = 10;
    shorter[at - 1] = 7;
    expect(readOpening(shorter).is).toBe("broken"); // the list is shorter than the extension
  });

  it("are bounded", () => {
    const huge = Buffer.alloc(20_000, 0);
    huge.set([22, 3, 1, 0x3f, 0xff, 1, 0, 0xff, 0xff]);
    expect(readOpening(huge)).toMatchObject({ is: "broken" });
    expect(readOpening(Buffer.from([22, 3, 1, 0, 0, 1]))).toMatchObject({ is: "broken" });
    expect(readOpening(Buffer.from([22, 3, 1, 0, 4, 2, 0, 0, 0]))).toMatchObject({ is: "broken" });
  });

  it("never throw, whatever they are, and one flipped byte never yields another valid spelling of no hello", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        readOpening(bytes);
        readOpening(Uint8Array.of(22, 3, 1, ...bytes));
      }),
    );
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.nat(255), (at, value) => {
        const copy = Buffer.from(hello);
        copy[at] = value;
        expect(["hello", "broken", "not-tls", "incomplete"]).toContain(readOpening(copy).is);
      }),
      { numRuns: 2000 },
    );
  });
});
