import { describe, expect, it } from "vitest";
import { until } from "./until.ts";

describe("until", () => {
  it("answers what the probe gives, as soon as it is neither undefined nor false", async () => {
    const answers = [undefined, false, 0];
    expect(await until("counting", () => answers.shift(), { within: 2_000, every: 1 })).toBe(0);
  });

  it("says what never happened, and the last failure", async () => {
    const probe = () => Promise.reject(new Error("connection refused"));
    await expect(until("the door opening", probe, { within: 50, every: 5 })).rejects.toThrow(
      "the door opening did not happen within 50 ms; last failure: connection refused",
    );
  });

  it("says what never happened without a failure to tell", async () => {
    await expect(until("a miracle", () => false, { within: 20, every: 5 })).rejects.toThrow(
      /^a miracle did not happen within 20 ms$/,
    );
  });

  it("gives up a probe that never settles", async () => {
    await expect(until("an answer", () => new Promise(() => {}), { within: 30 })).rejects.toThrow(
      "the probe itself did not answer",
    );
  });

  it("leaves no timer behind", async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    await until("at once", () => true, { within: 60_000 });
    expect(process.getActiveResourcesInfo().filter((name) => name === "Timeout").length).toBe(before);
  });
});
