import { describe, expect, test } from "vitest";
import { resolveAllowed, systemResolver } from "./resolve.ts";
import { parseTarget } from "./route.ts";

const fails = (code: string) => expect.objectContaining({ name: "EgressError", code });
const named = parseTarget("http://orders.internal/");
const answers = (...addresses: string[]) => resolveAllowed(named, async () => addresses);

describe("a name", () => {
  test("leads to its first address, where all may be dialled", async () => {
    expect(await answers("10.0.0.7", "fd12::7")).toEqual({ address: "10.0.0.7", family: 4 });
    expect(await answers("fd12::7")).toEqual({ address: "fd12::7", family: 6 });
  });

  test("leads nowhere with one bad address among good ones, wherever it stands", async () => {
    for (const bad of [
      "127.0.0.1",
      "::1",
      "169.254.169.254",
      "::ffff:7f00:1",
      "64:ff9b::a9fe:a9fe",
      "0.0.0.0",
    ]) {
      await expect(answers(bad, "10.0.0.7")).rejects.toEqual(fails("address-refused"));
      await expect(answers("10.0.0.7", bad)).rejects.toEqual(fails("address-refused"));
    }
  });

  test("leads nowhere with an answer that is no address, none, too many, or a failure", async () => {
    await expect(answers("2130706433")).rejects.toEqual(fails("address-refused"));
    await expect(answers("other.internal")).rejects.toEqual(fails("address-refused"));
    await expect(answers()).rejects.toEqual(fails("dns"));
    await expect(answers(...Array<string>(65).fill("10.0.0.7"))).rejects.toEqual(fails("dns"));
    await expect(resolveAllowed(named, () => Promise.reject(new Error("no")))).rejects.toEqual(fails("dns"));
  });

  test("is judged again at each look-up: the second answer of a rebinding name is refused", async () => {
    const turns = ["10.0.0.7", "127.0.0.1"];
    const rebinding = async () => [turns.shift() ?? ""];
    expect(await resolveAllowed(named, rebinding)).toEqual({ address: "10.0.0.7", family: 4 });
    await expect(resolveAllowed(named, rebinding)).rejects.toEqual(fails("address-refused"));
  });

  test("never leads to loopback, even if it is called localhost", async () => {
    await expect(resolveAllowed(parseTarget("http://localhost:1/"), systemResolver)).rejects.toEqual(
      fails("address-refused"),
    );
  });
});

describe("a literal address", () => {
  test("is dialled without a look-up", async () => {
    const noLookUp = () => Promise.reject(new Error("looked up"));
    expect(await resolveAllowed(parseTarget("http://127.0.0.1/"), noLookUp)).toEqual({
      address: "127.0.0.1",
      family: 4,
    });
    expect(await resolveAllowed(parseTarget("http://[::1]/"), noLookUp)).toEqual({
      address: "::1",
      family: 6,
    });
  });

  test("is judged here too, whoever made the target", async () => {
    const forged = { url: new URL("http://169.254.169.254/"), literal: "169.254.169.254" };
    await expect(resolveAllowed(forged, systemResolver)).rejects.toEqual(fails("address-refused"));
  });
});
