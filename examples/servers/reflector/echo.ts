import type { z } from "zod";
import type { dribbleArguments, echoArguments } from "./arguments.ts";
import { type Call, errorMessage, textMessage } from "./call.ts";
import { credentialFrom, FORMS } from "./forms.ts";
import { dribble, ENCODERS, openSse, sseEvent, type Whole, writeWhole } from "./write.ts";

/** Gives the credential back, in the place and the form that was asked for; raw text comes with every header. */
export function echo({ id, req, res }: Call, args: z.infer<typeof echoArguments>): void {
  const { in: where, form, encoding, from } = args;
  const credential = FORMS[form](credentialFrom(req.headers, from));
  const shown = form === "raw" ? JSON.stringify({ credential, headers: req.rawHeaders }) : credential;
  const { body, ...how } = reflection(where, { id, credential, shown });
  writeWhole(res, typeof body === "string" ? body : JSON.stringify(body), { encoding, ...how });
}

type Place = z.infer<typeof echoArguments>["in"];
type Reflection = Whole & { readonly body: unknown };

function reflection(where: Place, what: { id: Call["id"]; credential: string; shown: string }): Reflection {
  const { id, credential, shown } = what;
  switch (where) {
    case "text":
      return { body: textMessage(id, shown) };
    case "header":
      return { body: textMessage(id, "see the response header"), headers: { "x-reflected": credential } };
    case "cookie":
      return {
        body: textMessage(id, "see the cookie"),
        headers: { "set-cookie": `session=${credential}; Path=/` },
      };
    case "rpc-error":
      return { body: errorMessage(id, -32_603, `upstream refused ${credential}`, { credential }) };
    case "http-error":
      return { body: `upstream refused ${credential}`, status: 500, type: "text/plain" };
    case "sse": {
      const params = { level: "info", data: `using ${credential}` };
      const notice = { jsonrpc: "2.0", method: "notifications/message", params };
      return { body: sseEvent(notice) + sseEvent(textMessage(id, credential)), type: "text/event-stream" };
    }
  }
}

/** Gives the credential back a few bytes at a time: a search within one chunk never sees all of it. */
export async function dribbleBack(
  { id, req, res }: Call,
  args: z.infer<typeof dribbleArguments>,
): Promise<void> {
  const { chunkBytes, delayMs, sse, form, encoding } = args;
  const message = textMessage(id, `before ${FORMS[form](credentialFrom(req.headers))} after`);
  const body = ENCODERS[encoding](Buffer.from(sse ? sseEvent(message) : JSON.stringify(message)));
  const encoded: Record<string, string> = encoding === "identity" ? {} : { "content-encoding": encoding };
  if (sse) openSse(res, encoded);
  else res.writeHead(200, { "content-type": "application/json", ...encoded });
  await dribble(res, body, chunkBytes, delayMs);
  res.end();
}
