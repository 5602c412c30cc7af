import type { PersistentShell, SandboxFiles } from "@sallyport/sandbox-agent";
import type { z } from "zod";
import { bash } from "./bash.ts";
import { edit } from "./edit.ts";
import { glob } from "./glob.ts";
import { grep } from "./grep.ts";
import { killProcess } from "./kill-process.ts";
import { listProcesses } from "./list-processes.ts";
import { read } from "./read.ts";
import { write } from "./write.ts";

/** What a tool works with: one sandbox's shell and files. */
export interface Workbench {
  readonly shell: PersistentShell;
  readonly files: SandboxFiles;
}

/** How far a call has come. `bytes` of output so far, the last lines of it, milliseconds since it began. */
export interface ToolProgress {
  readonly bytes: number;
  readonly tail: string;
  readonly elapsedMs: number;
}

export interface ToolCall {
  /** An abort ends what the call started inside the sandbox. */
  readonly signal: AbortSignal;
  readonly progress?: (said: ToolProgress) => void;
}

export interface TextBlock {
  readonly type: "text";
  readonly text: string;
}
export interface ImageBlock {
  readonly type: "image";
  /** Base64. */
  readonly data: string;
  readonly mimeType: string;
}

/** What a model gets. Never empty: where there is nothing to say it says "(no output)". */
export interface ToolResult {
  readonly content: readonly (TextBlock | ImageBlock)[];
  readonly isError: boolean;
}

/** Hints for whoever asks the user (MCP `ToolAnnotations`). */
export interface ToolAnnotations {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly input: z.ZodObject;
  readonly annotations: ToolAnnotations;
  /**
   * Whatever the input is: one that doesn't fit is an error result too. Rejects only with the signal's reason, or
   * when the sandbox itself has failed (`SandboxError` of code `violated`, `silent` or `closed`).
   */
  run(bench: Workbench, input: unknown, call: ToolCall): Promise<ToolResult>;
}

/**
 * What an agent may do in a sandbox. Names, parameters and limits are those of Anthropic's agent toolset
 * (`agent_toolset_20260401`), which models know; processes are added.
 */
export const sandboxTools: ReadonlyMap<string, Tool> = new Map(
  [bash, read, write, edit, glob, grep, listProcesses, killProcess].map((tool) => [tool.name, tool]),
);
