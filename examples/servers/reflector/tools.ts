import { z } from "zod";
import * as takes from "./arguments.ts";
import { type Call, textMessage } from "./call.ts";
import { dribbleBack, echo } from "./echo.ts";
import { flood, hang, reset, stream } from "./streams.ts";
import { writeWhole } from "./write.ts";

interface Tool {
  readonly description: string;
  readonly inputSchema: unknown;
  /** What to run for these arguments; undefined where the tool does not take them. */
  readonly prepare: (args: unknown) => ((call: Call) => void | Promise<void>) | undefined;
}

function tool<Schema extends z.ZodType>(
  description: string,
  takes: Schema,
  run: (call: Call, args: z.infer<Schema>) => void | Promise<void>,
): Tool {
  return {
    description,
    inputSchema: z.toJSONSchema(takes, { io: "input" }),
    prepare(args) {
      const parsed = takes.safeParse(args);
      return parsed.success ? (call) => run(call, parsed.data) : undefined;
    },
  };
}

/** What the reflector can be told to do, by tool name. */
export const TOOLS = new Map<string, Tool>([
  ["plain", tool("Answer a text, as cheaply as can be", takes.plainArguments, plain)],
  ["echo", tool("Give the credential back", takes.echoArguments, echo)],
  ["dribble", tool("Give it back in tiny chunks", takes.dribbleArguments, dribbleBack)],
  ["redirect", tool("Point to another place", takes.redirectArguments, redirect)],
  ["stream", tool("Send events at intervals", takes.streamArguments, stream)],
  ["flood", tool("Send many MiB", takes.floodArguments, flood)],
  ["hang", tool("Never finish", takes.hangArguments, hang)],
  ["reset", tool("Break the connection in mid-body", takes.resetArguments, reset)],
]);

/** `tools/list`; the caching hints are what 2026-07-28 demands. */
export function toolList(): unknown {
  const tools = [...TOOLS].map(([name, { description, inputSchema }]) => ({
    name,
    description,
    inputSchema,
  }));
  return { resultType: "complete", tools, ttlMs: 0, cacheScope: "private" };
}

function plain({ id, res }: Call, { text }: z.infer<typeof takes.plainArguments>): void {
  writeWhole(res, JSON.stringify(textMessage(id, text)));
}

function redirect({ res }: Call, { status, location }: z.infer<typeof takes.redirectArguments>): void {
  res.writeHead(status, { location }).end();
}
