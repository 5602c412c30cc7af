import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { CommandFailure } from "./command-failure.ts";

const maxBytes = 16 * 1024;

/**
 * An access token from a file, or from stdin for `-`. Never from an argument: those are for every user of the machine to
 * see. It must look like a JWT, because the digest of anything else would revoke nothing, silently.
 */
export async function readToken(source: string, stdin: Readable): Promise<string> {
  if (isToken(source)) {
    const fix =
      "put it in a file, or pipe it in: sallyport revoke token - < FILE. Then get rid of the shell's history";
    // Not repeated here: stderr is kept in more places than the arguments.
    throw new CommandFailure("usage", "this is a token, and arguments are for all to see", { fix });
  }
  const text = await bounded(source === "-" ? stdin : createReadStream(source), source);
  const token = text.trim().replace(/^bearer\s+/i, "");
  if (isToken(token)) return token;
  throw new CommandFailure("usage", `${nameOf(source)} does not hold an access token`, {
    fix: "give a file with the token as the agent sends it: three parts of base64url with dots between",
  });
}

function isToken(text: string): boolean {
  return /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/.test(text) && text.startsWith("ey");
}

async function bounded(stream: Readable, source: string): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk as Uint8Array);
      size += bytes.length;
      if (size > maxBytes) break;
      chunks.push(bytes);
    }
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new CommandFailure("usage", `${nameOf(source)} cannot be read (${code})`, { cause });
  }
  if (size > maxBytes)
    throw new CommandFailure("usage", `${nameOf(source)} is larger than ${maxBytes} bytes`);
  return Buffer.concat(chunks).toString("utf8");
}

function nameOf(source: string): string {
  return source === "-" ? "stdin" : source;
}
