import { describe, expect, it } from "vitest";
import { whyUnavailable } from "./build-provider.ts";

const ended = (stderr: string, code = 1) => whyUnavailable({ code, stderr });

describe("a provider that cannot be built", () => {
  it.each([
    ["there is no Go", ended("env: 'go': No such file or directory", 127), /no go on PATH/],
    ["Go is too old", ended("go: go.mod requires go >= 1.24 (running go 1.19.8)"), /too old/],
    [
      "there is no network",
      ended("go: example.com/x@v1: Get …: dial tcp: lookup proxy.example: no such host"),
      /out of reach/,
    ],
    [
      "nobody has the module any more",
      ended("go: example.com/x@v1: reading https://proxy.example/x: 404 Not Found"),
      /out of reach/,
    ],
  ])("is not to be had here, and says so, when %s", (_, why, words) => expect(why).toMatch(words));

  it.each([
    "vault/provider.go:12:2: undefined: schema.Foo",
    "verifying github.com/x/y@v1.0.0: checksum mismatch\n\tdownloaded: h1:a\n\tgo.sum: h1:b",
    "go: updates to go.mod needed",
  ])("is a fault that no test may pass over: %j", (stderr) => expect(ended(stderr)).toBeUndefined());
});
