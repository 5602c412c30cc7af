import { z } from "zod";
import { fromConfigFolder } from "./config-folder.ts";

/** A path, relative to the configuration's folder; comes out absolute. */
export function filePath() {
  return z
    .string()
    .min(1)
    .max(4096)
    .refine((path) => !path.includes("\0"), "a path without NUL")
    .transform(fromConfigFolder);
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * An https URL without a login; http for a loopback address alone. `crossing` says what would be on the network in clear:
 * "tokens", "secrets".
 */
export function secureUrl(crossing: string) {
  return z.url({ protocol: /^https?$/ }).superRefine((text, context) => {
    const { protocol, hostname, username, password } = new URL(text);
    if (protocol !== "https:" && !loopback.test(hostname))
      context.addIssue(
        `https: ${crossing} would cross the network in clear; http only for a loopback address`,
      );
    if (username !== "" || password !== "") context.addIssue("a URL without a login");
  });
}

const milliseconds = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const bytes = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** A length of time as `250ms`, `5s`, `10m`, `2h` or `1d`; comes out in milliseconds. Bounds are in the same words. */
export function duration(bounds: { min?: string; max?: string } = {}) {
  return quantity("a duration like 250ms, 5s or 10m", milliseconds, bounds);
}

/** A size as `512B`, `64KiB`, `1MiB` or `2GiB`; comes out in bytes. */
export function byteSize(bounds: { min?: string; max?: string } = {}) {
  return quantity("a size like 512B, 64KiB or 1MiB", bytes, bounds);
}

function quantity(what: string, units: Record<string, number>, bounds: { min?: string; max?: string }) {
  const read = (text: string): number | undefined => {
    const [, digits, unit] = /^(\d{1,9})([A-Za-z]{1,3})$/.exec(text) ?? [];
    const factor = Object.hasOwn(units, unit ?? "") ? units[unit ?? ""] : undefined;
    return factor === undefined ? undefined : Number(digits) * factor;
  };
  const min = bounds.min === undefined ? 0 : read(bounds.min);
  const max = bounds.max === undefined ? Number.MAX_SAFE_INTEGER : read(bounds.max);
  if (min === undefined || max === undefined) throw new TypeError(`bounds must be ${what}`);
  return z.string().transform((text, context) => {
    const value = read(text);
    if (value !== undefined && value >= min && value <= max) return value;
    const range = [bounds.min && `at least ${bounds.min}`, bounds.max && `at most ${bounds.max}`];
    context.addIssue(value === undefined ? what : range.filter(Boolean).join(" and "));
    return z.NEVER;
  });
}
