import { type BoundaryOptions, runBoundary } from "./run-boundary.ts";

/** A runner of its own: told its options as JSON, it prints its report as one line of JSON. */
const options: BoundaryOptions = JSON.parse(process.argv[2] ?? "");
console.log(JSON.stringify(await runBoundary(options)));
