import { run } from "./src/command.ts";

try {
  await run(process.argv.slice(2), (text) => process.stdout.write(text));
} catch (error) {
  process.stderr.write(`infra:nats: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
