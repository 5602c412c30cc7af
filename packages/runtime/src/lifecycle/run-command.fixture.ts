import { setTimeout as later } from "node:timers/promises";
import { runCommand } from "./run-command.ts";

/** A process for the tests of `runCommand`: its argument says how it behaves. */
const [behave] = process.argv.slice(2);
const say = (text: string) => process.stdout.write(`${text}\n`);

await runCommand(
  async (run) => {
    run.use({ close: () => say("closed first") }, "first");
    run.use(
      {
        close: async () => {
          if (behave === "hang-in-close") await new Promise(() => setInterval(() => {}, 1000));
          say("closed second");
        },
      },
      "second",
    );
    say("up");
    if (behave === "fail") throw new Error("no such thing");
    if (behave === "wait") await later(20_000, undefined, { signal: run.signal });
    if (behave === "deaf") await later(20_000);
    if (behave === "talk") while (!run.signal.aborted) await later(5).then(() => say("x".repeat(4096)));
    return behave === "three" ? 3 : 0;
  },
  {
    explain: (error) => ({ exitCode: 69, text: `explained: ${(error as Error).message}\n` }),
    graceMs: behave === "deaf" ? 20_000 : 200,
  },
);
