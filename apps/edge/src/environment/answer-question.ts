import { asServiceError, type WorkAnswer, WorkQuestion } from "@sallyport/contracts";
import type { z } from "zod";
import type { Environments } from "./environments.ts";
import type { ToolAnswer } from "./tool-answer.ts";

/** The most that a worker may take for one call; whoever called may give up before. */
const maxCallMs = 600_000;

export interface Asked {
  environments: Environments;
  /** The server of the exchange: an environment that this edge is told of. */
  environment: string;
  /** Whose question it is: the runner at the other end of the tunnel. */
  runner: string;
  traceparent: string | undefined;
  /** Aborts when the exchange is over. */
  signal: AbortSignal;
}

/** Has a runner's question answered by a worker outside. Every failure is an answer; nothing is thrown. */
export async function answerQuestion(asked: Asked, question: Uint8Array): Promise<Uint8Array> {
  return Buffer.from(JSON.stringify(await answerTo(asked, question)));
}

async function answerTo(asked: Asked, bytes: Uint8Array): Promise<z.input<typeof WorkAnswer>> {
  const { environments, environment, runner, traceparent } = asked;
  try {
    const question = WorkQuestion.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
    // A runner can name only sessions of its own, and only of the environment that the exchange is about.
    const session = JSON.stringify([runner, environment, question.session]);
    if (question.do === "end") {
      environments.end(session);
      return { outcome: "ended" };
    }
    const { tool, input } = question;
    const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(maxCallMs)]);
    const answer = await environments.call({ environment, session, tool, input, traceparent }, signal);
    return { outcome: "answered", isError: answer.is_error, content: answer.content.map(blockOf) };
  } catch (error) {
    const { code, message } = asServiceError(error);
    return { outcome: "failed", code, message: message.slice(0, 500) };
  }
}

function blockOf(block: ToolAnswer["content"][number]) {
  if (block.type === "text") return block;
  return { type: "image" as const, data: block.source.data, mimeType: block.source.media_type };
}
