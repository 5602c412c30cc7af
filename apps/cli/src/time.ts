import { duration } from "@sallyport/runtime";
import { CommandFailure } from "./command-failure.ts";

const Duration = duration({ min: "1s", max: "3650d" });

/** `1h`, `30m`, `7d` in milliseconds, or a usage error that names the option. */
export function durationMs(option: string, text: string): number {
  const parsed = Duration.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new CommandFailure("usage", `${option} wants a duration like 30m, 1h or 7d`, { setting: option });
}

/** A point in time: a duration back from `now`, or a date as ISO 8601 writes it. */
export function pastTime(option: string, text: string, now: number): Date {
  const parsed = Duration.safeParse(text);
  if (parsed.success) return new Date(now - parsed.data);
  // `Date` alone would take "5" for a year.
  const isDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/.test(text);
  const date = new Date(text);
  if (isDate && !Number.isNaN(date.getTime())) return date;
  const what = `${option} wants a duration like 1h, or a time like 2026-01-31T12:00:00Z`;
  throw new CommandFailure("usage", what, { setting: option });
}
