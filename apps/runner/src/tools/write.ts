import { z } from "zod";
import { defineTool, textResult } from "./define-tool.ts";
import { aboutSandbox, pathInput } from "./paths.ts";

export const write = defineTool({
  name: "write",
  title: "Write a file",
  description: `Write a UTF-8 text file, whole: it is created, its folders with it, or its content is replaced and its mode kept. For a change in a file that is there, \`edit\` is shorter. ${aboutSandbox}`,
  input: z.strictObject({
    file_path: pathInput.describe("Path of the file; a relative one begins in the working folder"),
    content: z.string().describe("The whole new content"),
  }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  act: async ({ files }, { file_path, content }, { signal }) => {
    const bytes = Buffer.from(content, "utf8");
    await files.write(file_path, bytes, { signal });
    return textResult(`wrote ${bytes.length} bytes to ${file_path}`);
  },
});
