import { describe, expect, it } from "vitest";
import { type Placeholder, placeholderValue } from "./placeholders.ts";
import { withPlaceholders } from "./with-placeholders.ts";

describe("a file with placeholders", () => {
  const [npm, git]: Placeholder[] = ["npm", "git"].map((credential) => ({
    ...{ value: placeholderValue(), credential, bindings: [] },
  }));

  it("has each in the place of its credential's name", () => {
    const held = [npm, git].filter((one) => one !== undefined);
    expect(withPlaceholders("a={{npm}} {{ git }} {{npm}} {x}", held)).toBe(
      `a=${npm?.value} ${git?.value} ${npm?.value} {x}`,
    );
  });

  it("is not made where a name is nobody's", () => {
    expect(() => withPlaceholders("token: {{nmp}}", [])).toThrow('named "nmp"');
  });
});
