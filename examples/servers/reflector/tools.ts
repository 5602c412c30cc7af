import { z } from "zod";
import * as takes from "./arguments.ts";
import { type Call, textMessage } from "./call.ts";
import { dribbleBack, echo } from "./echo.ts";
import { flood, hang, reset, stream } from "./streams.ts";
import { writeWhole } from "./write.ts";

interface Tool {
  readonly description: string;
  readonly takes: z.ZodType;
  readonly run: (call: Call) => void | Promise<void>;
}

/** What the reflector can be told to do, by tool name. */
export const TOOLS = new Map<string, Tool>([
  ["plain", { description: "Answer a text, as cheaply as can be", takes: takes.plainArguments, run: plain }],
  ["echo", { description: "Give the credential back", takes: takes.echoArguments, run: echo }],
  [
    "dribble",
    { description: "Give it back in tiny chunks", takes: takes.dribbleArguments, run: dribbleBack },
  ],
  ["redirect", { description: "Point to another place", takes: takes.redirectArguments, run: redirect }],
  ["stream", { description: "Send events at intervals", takes: takes.streamArguments, run: stream }],
  ["flood", { description: "Send many MiB", takes: takes.floodArguments, run: flood }],
  ["hang", { description: "Never finish", takes: takes.hangArguments, run: hang }],
  ["reset", { description: "Break the connection in mid-body", takes: takes.resetArguments, run: reset }],
]);

/** `tools/list`; the caching hints are what 2026-07-28 demands. */
export function toolList(): unknown {
  const tools = [...TOOLS].map(([name, { description, takes: schema }]) => {
    return { name, description, inputSchema: z.toJSONSchema(schema, { io: "input" }) };
  });
  return { resultType: "complete", tools, ttlMs: 0, cacheScope: "private" };
}

function plain({ id, args, res }: Call): void {
  writeWhole(res, JSON.stringify(textMessage(id, takes.plainArguments.parse(args).text)));
}

function redirect({ args, res }: Call): void {
  const { status, location } = takes.redirectArguments.parse(args);
  res.writeHead(status, { location }).end();
}
