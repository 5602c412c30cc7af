import { describe, expect, it } from "vitest";
import { serverVersionProblem } from "./server-version.ts";

describe("a nats-server's version", () => {
  it.each(["2.11.16", "2.11.17", "2.12.7", "2.12.10", "2.14.0", "2.14.1", "2.15.0", "3.0.0", "10.0.0"])(
    "%s is taken",
    (version) => {
      expect(serverVersionProblem(version)).toBeUndefined();
    },
  );

  it.each([
    ...["1.4.1", "2.2.0", "2.10.29", "2.10.99", "2.11.0", "2.11.15", "2.12.0", "2.12.6", "2.13.0", "2.13.99"],
    ...["2.14.0-RC.1", "2.15.0-dev", "2.12.7-beta.3"],
  ])("%s is refused, with the versions to take instead", (version) => {
    expect(serverVersionProblem(version)).toMatch(/is refused.*2\.14\.0/);
  });

  it.each([undefined, "", "two", "2", "2.14", "v2.14.0", " 2.14.0", "\n2.14.0"])(
    "%j is refused",
    (version) => {
      expect(serverVersionProblem(version)).toMatch(/does not say which version/);
    },
  );
});
