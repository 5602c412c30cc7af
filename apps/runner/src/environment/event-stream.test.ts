import fc from "fast-check";
import { expect, test } from "vitest";
import type { SessionEvent } from "./api-shapes.ts";
import { eventsOf } from "./event-stream.ts";

async function read(pieces: readonly Uint8Array[]): Promise<SessionEvent[]> {
  const events: SessionEvent[] = [];
  const body = (async function* () {
    yield* pieces;
  })();
  for await (const event of eventsOf(body)) events.push(event);
  return events;
}

const use = { id: "sevt_1", type: "agent.tool_use", name: "bash", input: { command: "é\n🦊" } };
const frame = (event: object, end = "\n") =>
  `event: ${(event as { type: string }).type}${end}data: ${JSON.stringify(event)}${end}${end}`;

test("wherever a stream is cut, the same events come", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("\n", "\r\n", "\r"),
      fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 20 }),
      async (end, cuts) => {
        const bytes = Buffer.from(
          `: hello${end}${frame(use, end)}event: ping${end}data: {}${end}${end}${frame(use, end)}x`,
        );
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const pieces = at.slice(1).map((to, n) => bytes.subarray(at[n], to));
        expect(await read(pieces)).toMatchObject([use, use]);
      },
    ),
  );
});

test("a frame without its event line, without data, or that is no event is dropped", async () => {
  const data = JSON.stringify(use);
  const odd = [
    `data: ${data}\n\n`,
    "event: agent.tool_use\n\n",
    "event: agent.tool_use\ndata: {\n\n",
    "event: agent.tool_use\ndata: null\n\n",
    `event: agent.tool_use\ndata: ${JSON.stringify({ ...use, input: "no object" })}\n\n`,
    `event: agent.tool_use\ndata: ${JSON.stringify({ ...use, id: "../x" })}\n\n`,
  ];
  expect(await read([Buffer.from(odd.join(""))])).toEqual([]);
});

test("an event that this worker knows nothing of is still an event of the turn", async () => {
  expect(await read([Buffer.from(frame({ id: "sevt_2", type: "agent.thinking" }))])).toEqual([
    { id: "sevt_2", type: "other" },
  ]);
});

test("an error event ends the reading", async () => {
  const bytes = Buffer.from(`event: error\ndata: {}\n\n${frame(use)}`);
  await expect(read([bytes])).rejects.toMatchObject({ code: "passing" });
});

test("an event without end is not kept without end", async () => {
  const piece = Buffer.alloc(1024 * 1024, "a");
  await expect(read(Array.from({ length: 9 }, () => piece))).rejects.toThrow(/too large/);
});
