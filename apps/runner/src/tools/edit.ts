import { z } from "zod";
import { defineTool, ToolRefusal, textResult } from "./define-tool.ts";
import { aboutSandbox, pathInput } from "./paths.ts";
import { replaceText } from "./replace-text.ts";

/** Of a file that is edited, before and after. */
const maxFileBytes = 262_144;
const maxResultBytes = 4_194_304;

export const edit = defineTool({
  name: "edit",
  title: "Edit a file",
  description: `Replace \`old_string\` by \`new_string\` in a file. \`old_string\` must be there exactly as given, white space included, and only once, unless \`replace_all\` is true. For files of at most ${maxFileBytes} bytes; a larger one is changed with \`bash\` (sed, a script). ${aboutSandbox}`,
  input: z.strictObject({
    file_path: pathInput.describe("Path of the file; a relative one begins in the working folder"),
    old_string: z.string().min(1).describe("The text to be replaced, with enough around it to be unique"),
    new_string: z.string().describe("What stands there afterwards"),
    replace_all: z.boolean().optional().describe("Replace every occurrence; false unless told"),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  act: async ({ files }, { file_path, old_string, new_string, replace_all = false }, { signal }) => {
    const { data, size } = await files.read(file_path, { limit: maxFileBytes, signal });
    if (size > maxFileBytes)
      throw new ToolRefusal(
        `${file_path} has ${size} bytes, and this tool changes files of at most ${maxFileBytes}; use bash`,
      );
    const done = replaceText(data, { from: old_string, to: new_string, all: replace_all }, maxResultBytes);
    if (done.outcome === "not-found") throw new ToolRefusal(`old_string not found in ${file_path}`);
    if (done.outcome === "ambiguous")
      throw new ToolRefusal(
        `old_string appears ${done.count} times in ${file_path} (must be unique); give more of what is around it, or replace_all`,
      );
    if (done.outcome === "too-large")
      throw new ToolRefusal(`${file_path} would have more than ${maxResultBytes} bytes`);
    await files.write(file_path, done.data, { signal });
    return textResult(`edited ${file_path} (${done.count} replacement(s))`);
  },
});
