import type { SandboxProcess } from "@sallyport/sandbox-agent";
import { z } from "zod";
import { defineTool, textResult } from "./define-tool.ts";
import { visible } from "./shown-text.ts";

const maxShown = 200;

export const listProcesses = defineTool({
  name: "list_processes",
  title: "List processes",
  description: `List what runs in the sandbox, background jobs too: pid, parent, state, resident KiB, CPU milliseconds, command. At most ${maxShown}, those with the highest pids.`,
  input: z.strictObject({}),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  act: async ({ files }, _input, { signal }) => {
    const all = await files.processes(signal);
    const lines = all.slice(-maxShown).map(lineOf);
    if (all.length > maxShown) lines.push(`[${all.length - maxShown} with lower pids are not shown]`);
    return textResult(["PID PPID STATE KIB CPU_MS COMMAND", ...lines].join("\n"));
  },
});

function lineOf({ pid, parent, state, residentKiB, cpuMs, command }: SandboxProcess): string {
  return `${pid} ${parent} ${state} ${residentKiB} ${cpuMs} ${visible(command).replace(/\s+/g, " ")}`;
}
