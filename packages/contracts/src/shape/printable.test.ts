import { describe, expect, it } from "vitest";
import { printable } from "./printable.ts";

describe("printable", () => {
  it.each([
    ["list_orders é 日本 😀", "list_orders é 日本 😀"],
    ["a\r\nb\u001b[31m", "a\\u{d}\\u{a}b\\u{1b}[31m"],
    ["\u202eevil\u2066\u200b\ufeff\u2028", "\\u{202e}evil\\u{2066}\\u{200b}\\u{feff}\\u{2028}"],
    ["\ud800", "\\u{d800}"],
  ])("shows %j", (text, shown) => {
    expect(printable(text, 100)).toBe(shown);
  });

  it("cuts long text and never within a character", () => {
    expect(printable("abcdef", 6)).toBe("abcdef");
    expect(printable("abcdef", 5)).toBe("abcd…");
    expect(printable("ab😀", 3)).toBe("ab…");
    expect(printable("abcdef\n", 5)).toBe("abcd…");
  });
});
