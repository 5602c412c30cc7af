import fc from "fast-check";
import { expect, test } from "vitest";
import { writeNonce } from "./lane.ts";

test("no two sequence numbers have the same nonce under one IV", () => {
  const seq = fc.oneof(
    fc.nat(10),
    fc.maxSafeNat(),
    fc.nat(4).map((low) => 2 ** 32 - 2 + low),
  );
  const iv = fc.uint8Array({ minLength: 12, maxLength: 12 });
  fc.assert(
    fc.property(iv, seq, seq, (bytes, one, other) => {
      const nonceOf = (value: number) => {
        const nonce = Buffer.alloc(12);
        writeNonce(nonce, Buffer.from(bytes), value);
        return nonce.toString("hex");
      };
      expect(nonceOf(one) === nonceOf(other)).toBe(one === other);
    }),
    { numRuns: 500 },
  );
});

test("a nonce is the IV, xor the sequence number as a big-endian number", () => {
  const nonce = Buffer.alloc(12);
  writeNonce(nonce, Buffer.from("ffffffffffffffff00000001", "hex"), 2 ** 32 + 3);
  expect(nonce.toString("hex")).toBe("fffffffffffffffe00000002");
});
