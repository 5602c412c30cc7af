import { compileScrub } from "@sallyport/scrub";
import { expect, it } from "vitest";
import { ErrorLog } from "./error-log.ts";

it("logs lines without secrets, also one that comes in two chunks, and without control characters", () => {
  const written: string[] = [];
  const secret = "pass-7Wq3xYbT";
  const log = new ErrorLog(compileScrub([{ name: "database", value: Buffer.from(secret) }]), (line) =>
    written.push(line),
  );
  log.push(Buffer.from(`connecting with ${secret.slice(0, 6)}`));
  log.push(Buffer.from(`${secret.slice(6)} now\nred \u001b[31m\nlast`));
  log.end();
  expect(written).toEqual(["connecting with [redacted:database] now", "red \\u{1b}[31m", "last"]);
  expect(log.last).not.toContain(secret);
});

it("logs twenty lines a second and says how many more there were; a line is cut", () => {
  const written: string[] = [];
  let now = 0;
  const log = new ErrorLog(
    undefined,
    (line) => written.push(line),
    () => now,
  );
  log.push(Buffer.from("x\n".repeat(1_000)));
  expect(written.length).toBe(20);
  now = 1_000;
  log.push(Buffer.from(`${"y".repeat(100_000)}\n`));
  expect(written[20]).toBe("(980 lines not logged)");
  expect(written[21]?.length).toBe(2_000);
});
