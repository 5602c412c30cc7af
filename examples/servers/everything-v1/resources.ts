import { type McpServer, ResourceTemplate } from "@modelcontextprotocol/sdk/server/mcp.js";
import { SubscribeRequestSchema, UnsubscribeRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { textResult } from "../fixtures/content.ts";
import { RED_PIXEL_PNG } from "../fixtures/media.ts";
import { STATIC_BINARY, STATIC_TEXT, TEMPLATE, templateBody, WATCHED } from "../fixtures/resources.ts";

/** A text, an image, a template, and one resource that can be watched. */
export function registerResources(server: McpServer): void {
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

  registerWatched(server);
}

function registerWatched(server: McpServer): void {
  const subscribed = new Set<string>();
  let content = "Watched resource content";

  server.registerResource(WATCHED.name, WATCHED.uri, WATCHED, () => ({
    contents: [{ uri: WATCHED.uri, mimeType: WATCHED.mimeType, text: content }],
  }));

  // Only what exists can be watched: the set stays as small as the list of resources.
  server.server.setRequestHandler(SubscribeRequestSchema, ({ params }) => {
    if (params.uri === WATCHED.uri) subscribed.add(params.uri);
    return {};
  });
  server.server.setRequestHandler(UnsubscribeRequestSchema, ({ params }) => {
    subscribed.delete(params.uri);
    return {};
  });

  server.registerTool(
    "test_update_watched_resource",
    {
      description: "Changes the watched resource and tells who subscribed",
      inputSchema: { text: z.string() },
    },
    async ({ text }) => {
      content = text;
      if (subscribed.has(WATCHED.uri)) await server.server.sendResourceUpdated({ uri: WATCHED.uri });
      return textResult("Watched resource updated");
    },
  );
}
