import { type McpServer, ResourceTemplate, type ServerNotifier } from "@modelcontextprotocol/server";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";
import { RED_PIXEL_PNG } from "../fixtures/media.ts";
import { STATIC_BINARY, STATIC_TEXT, TEMPLATE, templateBody, WATCHED } from "../fixtures/resources.ts";

/** A text, an image, a template, and one resource that can be watched. */
export function registerResources(server: McpServer, changed: () => ServerNotifier): void {
  const { text, ...textMeta } = STATIC_TEXT;
  server.registerResource(textMeta.name, textMeta.uri, textMeta, () => ({
    contents: [{ uri: textMeta.uri, mimeType: textMeta.mimeType, text }],
  }));

  const { uri, mimeType } = STATIC_BINARY;
  server.registerResource(STATIC_BINARY.name, uri, STATIC_BINARY, () => ({
    contents: [{ uri, mimeType, blob: RED_PIXEL_PNG }],
  }));

  const template = new ResourceTemplate(TEMPLATE.uriTemplate, { list: undefined });
  server.registerResource(TEMPLATE.name, template, TEMPLATE, (from, { id }) => ({
    contents: [{ uri: from.toString(), mimeType: TEMPLATE.mimeType, text: templateBody(String(id)) }],
  }));

  registerWatched(server, changed);
}

/** Sessions subscribe by a request of their own; the stateless wire by `subscriptions/listen`. */
function registerWatched(server: McpServer, changed: () => ServerNotifier): void {
  const { uri, mimeType } = WATCHED;
  let subscribed = false;

  server.registerResource(WATCHED.name, uri, WATCHED, () => ({
    contents: [{ uri, mimeType, text: "Watched resource content" }],
  }));
  server.server.setRequestHandler("resources/subscribe", ({ params }) => {
    if (params.uri === uri) subscribed = true;
    return {};
  });
  server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
    if (params.uri === uri) subscribed = false;
    return {};
  });

  server.registerTool(
    "test_update_watched_resource",
    { description: "Tells who subscribed that the watched resource changed", inputSchema: z.object({}) },
    async () => {
      changed().resourceUpdated(uri);
      if (subscribed) await server.server.sendResourceUpdated({ uri });
      return textResult("Watched resource updated");
    },
  );
}
