import type { SandboxFiles } from "@sallyport/sandbox-agent";
import { z } from "zod";
import { defineTool, ToolRefusal } from "./define-tool.ts";
import { imageTypeOf } from "./image-type.ts";
import { LineRange } from "./line-range.ts";
import { aboutSandbox, pathInput } from "./paths.ts";
import { shownFile } from "./shown-text.ts";
import type { ToolResult } from "./tool.ts";

const maxBytes = 262_144;
const maxImageBytes = 3_750_000;
/** How far into a file lines are looked for. */
const maxSearchedBytes = 67_108_864;
const pieceBytes = 4_194_304;

export const read = defineTool({
  name: "read",
  title: "Read a file",
  description: `Read a UTF-8 text file of at most ${maxBytes} bytes, or lines of a larger one with view_range. A PNG, JPEG, GIF or WebP picture of at most ${maxImageBytes} bytes is shown as an image. Other binary files are refused with their size: look at them with \`bash\`. ${aboutSandbox}`,
  input: z.strictObject({
    file_path: pathInput.describe("Path of the file; a relative one begins in the working folder"),
    view_range: z
      .array(z.int())
      .length(2)
      .optional()
      .describe("[start_line, end_line], counted from 1, both included; an end of -1 means to the end"),
  }),
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  act: async ({ files }, { file_path: path, view_range: range }, { signal }) => {
    const { data, size } = await files.read(path, { limit: maxBytes, signal });
    const mimeType = range === undefined ? imageTypeOf(data) : undefined;
    if (mimeType !== undefined) return await image(files, { path, size, mimeType, signal });
    if (data.includes(0)) throw new ToolRefusal(`${path} is a binary file of ${size} bytes; use bash`);
    if (range !== undefined) return shownFile(await linesOf(files, { path, range, signal }));
    if (size > maxBytes)
      throw new ToolRefusal(
        `${path} has ${size} bytes, and at most ${maxBytes} are read at once; give a view_range, such as [1, 500]`,
      );
    return shownFile(data);
  },
});

async function image(
  files: SandboxFiles,
  { path, size, mimeType, signal }: { path: string; size: number; mimeType: string; signal: AbortSignal },
): Promise<ToolResult> {
  if (size > maxImageBytes)
    throw new ToolRefusal(
      `${path} is a picture of ${size} bytes, and at most ${maxImageBytes} are shown; make it smaller`,
    );
  const { data } = await files.read(path, { limit: maxImageBytes, signal });
  return { content: [{ type: "image", data: data.toString("base64"), mimeType }], isError: false };
}

async function linesOf(
  files: SandboxFiles,
  { path, range, signal }: { path: string; range: readonly number[]; signal: AbortSignal },
): Promise<Buffer> {
  const [start = 1, end = -1] = range;
  const lines = new LineRange(start, end, maxBytes);
  for (let offset = 0; !lines.complete; offset += pieceBytes) {
    if (offset >= maxSearchedBytes)
      throw new ToolRefusal(
        `${path}: lines are looked for in the first ${maxSearchedBytes} bytes, and line ${lines.line} goes on after them; use bash`,
      );
    const { data } = await files.read(path, { offset, limit: pieceBytes, signal });
    lines.push(data);
    if (data.length < pieceBytes) break;
  }
  if (lines.tooLarge)
    throw new ToolRefusal(
      `the lines [${start}, ${end}] of ${path} have more than ${maxBytes} bytes; give a smaller view_range`,
    );
  return lines.bytes();
}
