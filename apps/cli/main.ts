import "./src/only-real-warnings.ts";
import { runCommand } from "@sallyport/runtime";
import { explainFailure } from "./src/explain-failure.ts";
import { runProgram } from "./src/program.ts";
import { openTerminal } from "./src/terminal.ts";

const args = process.argv.slice(2);
const json = args.includes("--json");

await runCommand((run) => runProgram(args, { terminal: openTerminal(process), run }), {
  explain: (error) => explainFailure(error, { json }),
});
