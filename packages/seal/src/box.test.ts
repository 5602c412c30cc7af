import { describe, expect, test } from "vitest";
import { boxInfo, MAX_BOX_PLAINTEXT_BYTES, openBox, sealBox } from "./box.ts";
import { flipBit } from "./handshake.fixture.ts";
import { generateRecipientKey } from "./keys.ts";

const keys = await generateRecipientKey();
const purpose = { lease: "l1", connector: "acme.c1", session: "s1", server: "orders", credential: "db" };
const secret = Buffer.from("correct horse battery staple");
const badBox = { code: "bad-box" };

describe("a sealed box", () => {
  test("opens with its key, for its purpose", async () => {
    const box = await sealBox(keys.publicKey, secret, boxInfo(purpose));
    expect(Buffer.from(box).includes("horse")).toBe(false);
    expect(Buffer.from(await openBox(keys.privateKey, box, boxInfo(purpose)))).toEqual(secret);
  });

  test.each(Object.keys(purpose))("does not open for another %s", async (field) => {
    const box = await sealBox(keys.publicKey, secret, boxInfo(purpose));
    const other = boxInfo({ ...purpose, [field]: "other" });
    await expect(openBox(keys.privateKey, box, other)).rejects.toMatchObject(badBox);
  });

  test("opens with either key while its holder changes them", async () => {
    const next = await generateRecipientKey();
    const held = [next.privateKey, keys.privateKey];
    for (const { publicKey } of [next, keys])
      expect(Buffer.from(await openBox(held, await sealBox(publicKey, secret, "x"), "x"))).toEqual(secret);
    const { publicKey } = await generateRecipientKey();
    await expect(openBox(held, await sealBox(publicKey, secret, "x"), "x")).rejects.toMatchObject(badBox);
    await expect(openBox([], await sealBox(publicKey, secret, "x"), "x")).rejects.toMatchObject({
      code: "bad-key",
    });
  });

  test("does not open with another key", async () => {
    const box = await sealBox(keys.publicKey, secret, "x");
    const other = await generateRecipientKey();
    await expect(openBox(other.privateKey, box, "x")).rejects.toMatchObject(badBox);
    await expect(openBox(new Uint8Array(3), box, "x")).rejects.toMatchObject({ code: "bad-key" });
  });

  test("does not open with any byte changed", async () => {
    const box = await sealBox(keys.publicKey, secret, "x");
    for (let at = 0; at < box.length; at++) {
      await expect(openBox(keys.privateKey, flipBit(box, at * 8 + (at % 8)), "x")).rejects.toMatchObject(
        badBox,
      );
    }
  });

  test("does not open cut or extended", async () => {
    const box = await sealBox(keys.publicKey, secret, "x");
    for (const size of [0, 1, 1000, 1136, box.length - 1]) {
      await expect(openBox(keys.privateKey, box.subarray(0, size), "x")).rejects.toMatchObject(badBox);
    }
    await expect(openBox(keys.privateKey, Buffer.concat([box, box]), "x")).rejects.toMatchObject(badBox);
    const huge = Buffer.concat([box, Buffer.alloc(MAX_BOX_PLAINTEXT_BYTES + 100)]);
    const fault: unknown = await openBox(keys.privateKey, huge, "x").catch((error: unknown) => error);
    expect(fault).toMatchObject(badBox);
    expect(fault).not.toHaveProperty("cause"); // refused by size: a refusal by the cipher has one
  });

  test("carries up to its limit", async () => {
    const most = Buffer.alloc(MAX_BOX_PLAINTEXT_BYTES, 1);
    const box = await sealBox(keys.publicKey, most, "x");
    expect((await openBox(keys.privateKey, box, "x")).length).toBe(most.length);
    const more = Buffer.alloc(MAX_BOX_PLAINTEXT_BYTES + 1);
    await expect(sealBox(keys.publicKey, more, "x")).rejects.toMatchObject({ code: "too-large" });
  });

  test("is not made for a key that is none", async () => {
    await expect(sealBox("spk1.AAAA", secret, "x")).rejects.toMatchObject({ code: "bad-key" });
    const zero = `spk1.${Buffer.alloc(1216).toString("base64url")}`; // X25519 with the point zero
    await expect(sealBox(zero, secret, "x")).rejects.toMatchObject({ code: "bad-key" });
  });

  test("has one info text per purpose, whatever the names contain", () => {
    const one = boxInfo({ ...purpose, lease: 'a","b', connector: "c" });
    const other = boxInfo({ ...purpose, lease: "a", connector: 'b","c' });
    expect(one).not.toBe(other);
  });
});
