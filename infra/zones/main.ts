import { text } from "node:stream/consumers";
import { check, type Shown, zones } from "./index.ts";

/** `terraform show -json plan | infra:zones connector`: each finding on a line, and exit code 1 where there is one. */
const zone = process.argv[2] ?? "";
if (!Object.hasOwn(zones, zone)) {
  console.error(`say which zone: ${Object.keys(zones).join(", ")}`);
  process.exitCode = 64;
} else {
  const findings = check(JSON.parse(await text(process.stdin)) as Shown, zone as keyof typeof zones);
  for (const { rule, address, problem } of findings) console.log(`${rule}: ${address} ${problem}`);
  if (findings.length > 0) process.exitCode = 1;
  else console.log(`${zone}: nothing found`);
}
