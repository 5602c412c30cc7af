import { inputRequired } from "@modelcontextprotocol/server";

/** The questions that a tool or prompt may put to the client within an input-required result (SEP-2322). */

/** Ask the user for one text, which the answer carries under `field`. */
export const askText = (message: string, field: string) =>
  inputRequired.elicit({
    message,
    requestedSchema: { type: "object", properties: { [field]: { type: "string" } }, required: [field] },
  });

/** Ask the user to confirm. */
export const askConfirmation = () =>
  inputRequired.elicit({
    message: "Please confirm",
    requestedSchema: { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] },
  });

/** Ask the client's model. */
export const askModel = (text: string, maxTokens: number) =>
  inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text } }], maxTokens });

/** The text of a model's answer, as far as it is one: it comes from the client, so nothing is taken for granted. */
export function modelText(response: unknown): string | undefined {
  const content = (response as { content?: { text?: unknown } } | undefined)?.content;
  return typeof content?.text === "string" ? content.text : undefined;
}

/** The URIs of the client's roots, as far as the answer has any. */
export function rootUris(response: unknown): string[] | undefined {
  const roots = (response as { roots?: unknown } | undefined)?.roots;
  if (!Array.isArray(roots)) return undefined;
  return roots.map((root: { uri?: unknown } | null) => String(root?.uri));
}
