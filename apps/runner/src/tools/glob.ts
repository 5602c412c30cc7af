import { posix } from "node:path";
import { z } from "zod";
import { defineTool, textResult } from "./define-tool.ts";
import { aboutSandbox, pathInput } from "./paths.ts";
import { visible } from "./shown-text.ts";

export const glob = defineTool({
  name: "glob",
  title: "Find files by name",
  description: `Find files by a pattern: \`*\`, \`?\` and \`[…]\` within a name, \`**\` across folders, \`{a,b}\` for either. The newest come first, at most 200. Links are not followed, and .git and node_modules are looked through only when path is within them. ${aboutSandbox}`,
  input: z.strictObject({
    pattern: pathInput.describe("Such as src/**/*.{ts,tsx}"),
    path: pathInput.optional().describe("The folder to look in; the working folder unless told"),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  act: async ({ files }, { pattern, path = "." }, { signal }) => {
    const folder = posix.resolve(files.cwd, path);
    const { found, truncated } = await files.glob(pattern, folder, signal);
    if (found.length === 0) return textResult("no matches");
    const lines = found.map(visible);
    if (truncated) lines.push("[there is more: only the newest that were found are shown]");
    return textResult(lines.join("\n"));
  },
});
