import type { ToolResult } from "./tool.ts";

const replaced = "\ufffd";

/**
 * Control characters as their pictures (␛ for escape): what a file holds reaches nobody's terminal as a command, and it
 * is seen that something is there. Tabs and line ends stay.
 */
export function visible(text: string): string {
  return text
    .replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replaceAll("\x7f", "\u2421")
    .replace(/[\x80-\x9f]/g, replaced);
}

/** A file's content as text, with a word about what could not be shown. */
export function shownFile(data: Buffer): ToolResult {
  const text = visible(data.toString("utf8"));
  const content = [{ type: "text" as const, text: text === "" ? "(no output)" : text }];
  if (Buffer.compare(Buffer.from(data.toString("utf8"), "utf8"), data) !== 0) {
    const note = `[part of these ${data.length} bytes is not UTF-8 and is shown as ${replaced}]`;
    content.push({ type: "text", text: note });
  }
  return { content, isError: false };
}
