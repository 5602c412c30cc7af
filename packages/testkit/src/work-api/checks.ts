import type { IncomingHttpHeaders } from "node:http";

/** The parts of a request that are judged before anything else. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a request breaks of the contract that every one keeps to; empty when nothing. */
export function brokenBy({ method, headers, body }: Asked): string[] {
  const broken: string[] = [];
  const expect = (holds: boolean, rule: string) => {
    if (!holds) broken.push(rule);
  };
  const betas = String(headers["anthropic-beta"] ?? "").split(/\s*,\s*/);
  expect(betas.includes("managed-agents-2026-04-01"), "anthropic-beta names managed-agents-2026-04-01");
  expect(/^\d{4}-\d\d-\d\d$/.test(String(headers["anthropic-version"])), "anthropic-version is a date");
  expect(/^Bearer \S+$/.test(headers.authorization ?? ""), "authorization is a bearer token");
  expect(headers["x-api-key"] === undefined, "no x-api-key beside the bearer token");
  expect(String(headers.accept).includes("application/json"), "accept names application/json");
  expect(headers.cookie === undefined, "no cookie");
  if (body !== "") {
    expect(method === "POST", "only a POST has a body");
    expect(/^application\/json\b/.test(headers["content-type"] ?? ""), "content-type is application/json");
  }
  return broken;
}

/** What a result that a worker posts breaks; empty when it may be taken. */
export function brokenByResult(result: unknown): string[] {
  if (typeof result !== "object" || result === null) return ["an event is an object"];
  const { type, content, is_error, ...rest } = result as Record<string, unknown>;
  const id = type === "user.custom_tool_result" ? "custom_tool_use_id" : "tool_use_id";
  const broken: string[] = [];
  if (type !== "user.tool_result" && type !== "user.custom_tool_result") broken.push(`no result: ${type}`);
  if (Object.keys(rest).join() !== id) broken.push(`a result has ${id} and nothing else`);
  if (typeof is_error !== "boolean") broken.push("is_error is true or false");
  if (!Array.isArray(content) || content.length === 0) return [...broken, "content has a block"];
  for (const block of content as Record<string, unknown>[]) {
    if (block.type === "text") {
      if (typeof block.text !== "string" || block.text.length < 1) broken.push("minimum string length is 1");
    } else if (block.type === "image") {
      const source = block.source as Record<string, unknown> | undefined;
      const whole = source?.type === "base64" && typeof source.data === "string" && source.media_type;
      if (!whole) broken.push("an image has a base64 source");
    } else broken.push(`a block of type ${block.type}`);
  }
  return broken;
}
