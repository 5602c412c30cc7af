import { describe, expect, it } from "vitest";
import { whyUnavailable } from "./fetch-moto.ts";

describe("packages that cannot be fetched", () => {
  it.each([
    ["there is no Python", { code: "ENOENT" }, /no python3/],
    ["Python has no pip", { code: 1, stderr: "/usr/bin/python3: No module named pip" }, /no pip/],
    ["it takes too long", { killed: true }, /5 minutes/],
    [
      "there are none for this system",
      { code: 1, stderr: "ERROR: No matching distribution found for cffi==2.1.1" },
      /out of reach/,
    ],
  ])("are not to be had here, and say so, when %s", (_, end, words) =>
    expect(whyUnavailable(end)).toMatch(words),
  );

  it.each([
    "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\nMax retries",
    "OSError: [Errno 28] No space left on device",
  ])("are a fault that no test may pass over: %j", (stderr) =>
    expect(whyUnavailable({ code: 1, stderr })).toBeUndefined(),
  );
});
