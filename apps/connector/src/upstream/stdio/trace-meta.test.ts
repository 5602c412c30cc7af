import { describe, expect, it } from "vitest";
import { withTrace } from "./trace-meta.ts";

const trace = { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" };
const written = (text: string, more: typeof trace & { tracestate?: string } = trace) =>
  Buffer.from(withTrace(Buffer.from(text), more)).toString();

describe("the trace of a request over a pipe", () => {
  it("takes the place of the agent's, or is added to _meta, or brings _meta", () => {
    const { traceparent } = trace;
    expect(written('{"params":{"a":1.0,"_meta":{"x":1,"traceparent":"theirs"}}}')).toBe(
      `{"params":{"a":1.0,"_meta":{"x":1,"traceparent":"${traceparent}"}}}`,
    );
    expect(written('{"params":{"_meta":{"x":1}}}')).toBe(
      `{"params":{"_meta":{"traceparent":"${traceparent}","x":1}}}`,
    );
    expect(written('{"params":{"a":1}}')).toBe(`{"params":{"_meta":{"traceparent":"${traceparent}"},"a":1}}`);
    expect(written('{"params":{ }}')).toBe(`{"params":{"_meta":{"traceparent":"${traceparent}"} }}`);
    expect(JSON.parse(written('{"params":{"_meta":{}}}', { ...trace, tracestate: 'a="1"' }))).toEqual({
      params: { _meta: { traceparent, tracestate: 'a="1"' } },
    });
  });

  it("changes nothing where there is none, or where it has no place", () => {
    const body = Buffer.from('{"id":1}');
    expect(withTrace(body, undefined)).toBe(body);
    expect(written('{"id":1}')).toBe('{"id":1}');
    expect(written('{"params":[1]}')).toBe('{"params":[1]}');
  });
});
