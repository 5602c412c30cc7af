import { SandboxError, type SandboxErrorCode } from "@sallyport/sandbox-agent";
import { z } from "zod";
import type { Tool, ToolAnnotations, ToolCall, ToolResult, Workbench } from "./tool.ts";

const maxProblemLength = 1_000;

interface Plan<Input extends z.ZodObject> {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly annotations: ToolAnnotations;
  /** May throw `ToolRefusal`, and what the sandbox refuses. */
  readonly act: (bench: Workbench, input: z.infer<Input>, call: ToolCall) => Promise<ToolResult>;
}

/** The tool cannot do what it was asked; the message is for the model. */
export class ToolRefusal extends Error {
  override readonly name = "ToolRefusal";
}

/** A tool from its schema and its act: every refusal becomes a result that begins with the tool's name. */
export function defineTool<Input extends z.ZodObject>(plan: Plan<Input>): Tool {
  const { act, ...shown } = plan;
  return {
    ...shown,
    run: async (bench, input, call) => {
      const read = plan.input.safeParse(input);
      if (!read.success) return failure(`${plan.name}: ${problemOf(read.error)}`);
      try {
        call.signal.throwIfAborted();
        return await act(bench, read.data, call);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return failure(`${plan.name}: ${error.message}`);
      }
    },
  };
}

/** Why the input is not one for this tool, in words for a model; undefined when it is. */
export function inputProblem(tool: Tool, input: unknown): string | undefined {
  const read = tool.input.safeParse(input);
  return read.success ? undefined : `${tool.name}: ${problemOf(read.error)}`;
}

export function textResult(text: string): ToolResult {
  return { content: [{ type: "text", text: text === "" ? "(no output)" : text }], isError: false };
}

export function failure(text: string): ToolResult {
  return { ...textResult(text), isError: true };
}

/** These end one operation; any other means that the sandbox is over. */
const refusals: ReadonlySet<SandboxErrorCode> = new Set(["failed", "timeout", "exhausted", "not-started"]);

function isRefusal(error: unknown): error is Error {
  if (error instanceof SandboxError) return refusals.has(error.code);
  // What cannot be asked of a sandbox at all: a pattern of two lines, a command that is too long.
  return error instanceof ToolRefusal || error instanceof RangeError;
}

function problemOf(error: z.ZodError): string {
  const said = z.prettifyError(error);
  return said.length > maxProblemLength ? `${said.slice(0, maxProblemLength)}…` : said;
}
