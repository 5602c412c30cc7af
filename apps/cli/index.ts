/**
 * The operator's command line: look (doctor, status, servers, trace, audit), admit (connector, token), cut off (revoke).
 * `main.ts` is the program; each command is one file of `src/commands/`. What the local stack prints comes from here.
 */
export { type ShowTraceOptions, showTrace } from "./src/show-trace.ts";
