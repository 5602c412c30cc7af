import { posix } from "node:path";
import { z } from "zod";
import { defineTool, ToolRefusal, textResult } from "./define-tool.ts";
import { aboutSandbox, pathInput } from "./paths.ts";
import { posixPattern } from "./posix-pattern.ts";
import { visible } from "./shown-text.ts";

const maxBytes = 102_400;

export const grep = defineTool({
  name: "grep",
  title: "Search in files",
  description: `Search the text files below a path for a regular expression, line by line; each hit is path:line:text, and at most ${maxBytes} bytes of them are shown. POSIX extended syntax with \\d, \\w, \\s, \\b and lazy quantifiers; (?i) in front ignores case. No look-around and no back references: use \`bash\` for those. .git and node_modules are searched only when path is within them. ${aboutSandbox}`,
  input: z.strictObject({
    pattern: pathInput.describe("The regular expression"),
    path: pathInput.optional().describe("A file or a folder; the working folder unless told"),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  act: async ({ files }, { pattern, path = "." }, { signal }) => {
    const wanted = posixPattern(pattern);
    if (typeof wanted === "string") throw new ToolRefusal(wanted);
    const query = { ...wanted, path: posix.resolve(files.cwd, path), maxBytes };
    const { found, truncated } = await files.grep(query, signal);
    if (found.length === 0) return textResult("no matches");
    const lines = found.map(visible);
    if (truncated) lines.push(`[output truncated at ${maxBytes} bytes]`);
    return textResult(lines.join("\n"));
  },
});
