import { z } from "zod";
import { defineTool, textResult } from "./define-tool.ts";

const signals = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  KILL: 9,
  USR1: 10,
  USR2: 12,
  TERM: 15,
  CONT: 18,
  STOP: 19,
} as const;
const names = Object.keys(signals) as [keyof typeof signals];

export const killProcess = defineTool({
  name: "kill_process",
  title: "Signal a process",
  description:
    "Send a signal to a process of the sandbox, by the pid that list_processes or `$!` told. TERM unless told; KILL cannot be ignored.",
  input: z.strictObject({
    pid: z.int().min(2).max(4_194_304),
    signal: z.enum(names).optional().describe("TERM unless told"),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  act: async ({ files }, { pid, signal = "TERM" }, call) => {
    await files.killProcess(pid, signals[signal], call.signal);
    return textResult(`sent SIG${signal} to ${pid}`);
  },
});
