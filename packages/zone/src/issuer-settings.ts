import { filePath, secureUrl } from "@sallyport/runtime";
import { z } from "zod";

/** Who issues agents' tokens, and where this zone gets its keys: from a source of its own, whatever other zones say. */
export const issuerSettings = {
  issuer: z.url({ protocol: /^https?$/ }),
  /** Whoever can change the answer can sign tokens. */
  jwksUrl: secureUrl("the keys that tokens are believed by").optional(),
  jwksFile: filePath().optional(),
  /** PEM of the only authority that counts for `jwksUrl`; the system's without it. */
  caFile: filePath().optional(),
};

export function oneSourceOfKeys(
  { jwksUrl, jwksFile, caFile }: { [key in "jwksUrl" | "jwksFile" | "caFile"]?: string | undefined },
  context: z.RefinementCtx,
): void {
  if ((jwksUrl === undefined) === (jwksFile === undefined))
    context.addIssue({ code: "custom", message: "set one of tokens.jwksUrl and tokens.jwksFile" });
  if (caFile !== undefined && jwksUrl === undefined)
    context.addIssue({ code: "custom", message: "tokens.jwksUrl with a caFile", path: ["caFile"] });
}
