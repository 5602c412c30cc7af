/** The RFC 9728 metadata URL of a resource: the well-known part goes between host and path (section 3.1). */
export function metadataPath(server: string): string {
  return `/.well-known/oauth-protected-resource/mcp/${server}`;
}

export function resourceOf(publicUrl: string, server: string): string {
  return `${publicUrl}/mcp/${server}`;
}

function scopeOf(server: string): string {
  return `mcp:${server}`;
}

/** RFC 9728 section 2. It says where to get a token; it is the same for every server, known or not. */
export function protectedResourceMetadata(options: {
  publicUrl: string;
  issuer: string;
  server: string;
}): object {
  return {
    resource: resourceOf(options.publicUrl, options.server),
    authorization_servers: [options.issuer],
    scopes_supported: [scopeOf(options.server)],
    bearer_methods_supported: ["header"],
    resource_name: `${options.server} (through Sallyport)`,
  };
}

/** RFC 6750 section 3 with RFC 9728 section 5.1. Values are ours: none comes from the request. */
export function challenge(
  options: { publicUrl: string; server: string },
  error?: { code: "invalid_token" | "insufficient_scope"; description: string },
): string {
  const parts = [
    `resource_metadata="${options.publicUrl}${metadataPath(options.server)}"`,
    `scope="${scopeOf(options.server)}"`,
  ];
  if (error) parts.unshift(`error="${error.code}"`, `error_description="${error.description}"`);
  return `Bearer ${parts.join(", ")}`;
}
