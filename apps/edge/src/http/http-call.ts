import type { IncomingMessage, ServerResponse } from "node:http";

/** One request of an agent. `body` is whole and bounded; GET and DELETE have none. */
export interface HttpCall {
  server: string;
  method: "POST" | "GET" | "DELETE";
  request: IncomingMessage;
  response: ServerResponse;
  body: Buffer;
}
