import fc from "fast-check";
import { expect, test } from "vitest";
import { readEvent, type SessionEvent, tokenOf } from "./api-shapes.ts";
import { SessionBook } from "./session-book.ts";

const ids = ["sevt_a", "sevt_b", "sevt_c"];
const event = (fields: object): SessionEvent => {
  const read = readEvent({ id: "sevt_x", ...fields });
  if (read === undefined) throw new Error("no event");
  return read;
};
const use = (id: string, more: object = {}) =>
  event({ id, type: "agent.tool_use", name: "bash", input: {}, ...more });
const result = (id: string) => event({ type: "user.tool_result", tool_use_id: id });
const verdict = (id: string, said: string) =>
  event({ type: "user.tool_confirmation", tool_use_id: id, result: said });

const anyEvent = fc.oneof(
  fc
    .tuple(fc.constantFrom(...ids), fc.constantFrom("allow", "ask", "deny", "odd", undefined))
    .map(([id, evaluated_permission]) => use(id, { evaluated_permission })),
  fc.constantFrom(...ids).map(result),
  fc
    .tuple(fc.constantFrom(...ids), fc.constantFrom("allow", "deny", "odd"))
    .map(([id, said]) => verdict(id, said)),
  fc.constantFrom(
    event({ type: "session.status_idle", stop_reason: { type: "end_turn" } }),
    event({ type: "agent.message" }),
  ),
);

test("whatever comes, in whatever order and however often: no call is given twice, nor after its answer", () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 40 }), (events) => {
      const book = new SessionBook(() => true);
      const given: string[] = [];
      const answered = new Set<string>();
      for (const one of events) {
        book.note(one);
        if (one.type === "user.tool_result") answered.add(one.tool_use_id);
        const call = book.take();
        if (call === undefined) continue;
        expect(given).not.toContain(call.id);
        expect(answered.has(call.id)).toBe(false);
        given.push(call.id);
        book.close(call.id);
      }
    }),
  );
});

test("a call that is not plainly allowed runs only after the verdict allow, and deny beats it", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("ask", "deny", "odd", ""),
      fc.array(fc.constantFrom("allow", "deny", "odd"), { maxLength: 3 }),
      (permission, said) => {
        const book = new SessionBook(() => true);
        book.note(use("sevt_a", { evaluated_permission: permission }));
        for (const one of said) book.note(verdict("sevt_a", one));
        const runs = permission !== "deny" && said[0] === "allow";
        expect(book.take() !== undefined).toBe(runs);
      },
    ),
  );
});

test("one call at a time, in the order of asking", () => {
  const book = new SessionBook(() => true);
  for (const id of ids) book.note(use(id));
  expect([book.take()?.id, book.take()]).toEqual(["sevt_a", undefined]);
  book.close("sevt_a");
  expect(book.take()?.id).toBe("sevt_b");
});

test("a turn rests when its last word says so, nothing runs, and nothing of ours waits for a verdict", () => {
  const book = new SessionBook((call) => call.name === "bash");
  const idle = (type: string) => book.note(event({ type: "session.status_idle", stop_reason: { type } }));
  book.note(event({ id: "sevt_o", type: "agent.custom_tool_use", name: "theirs", input: {} }));
  idle("end_turn");
  expect(book.resting).toBe(true);
  idle("requires_action");
  expect(book.resting).toBe(false);
  book.note(use("sevt_a", { evaluated_permission: "ask" }));
  idle("a reason of next year");
  expect(book.resting).toBe(false);
  book.note(verdict("sevt_a", "deny"));
  expect(book.resting).toBe(true);
  book.note(use("sevt_b"));
  idle("end_turn");
  expect([book.take()?.id, book.resting]).toEqual(["sevt_b", false]);
  book.close("sevt_b");
  expect(book.resting).toBe(true);
});

test("a thread that ended, and a session that did, run nothing more", () => {
  const book = new SessionBook(() => true);
  book.note(use("sevt_a", { session_thread_id: "sthr_1" }));
  book.note(event({ type: "session.thread_status_terminated", session_thread_id: "sthr_1" }));
  expect(book.take()).toBeUndefined();
  book.note(use("sevt_b"));
  book.note(event({ type: "session.deleted" }));
  expect([book.ended, book.take()]).toEqual([true, undefined]);
});

test("an item's token is read from its secret, padded or not, and anything else is none", () => {
  const json = JSON.stringify({ sessions_token: "sk-ant-req-1", api_base_url: "http://169.254.169.254" });
  const padded = Buffer.from(json).toString("base64");
  expect([tokenOf(padded), tokenOf(padded.replace(/=+$/, ""))]).toEqual(["sk-ant-req-1", "sk-ant-req-1"]);
  const line = Buffer.from(JSON.stringify({ sessions_token: "a\r\nx: y" })).toString("base64url");
  fc.assert(
    fc.property(fc.string(), (text) => {
      tokenOf(text);
    }),
  );
  for (const none of [null, undefined, "", "e30", "bnVsbA", line]) expect(tokenOf(none)).toBeUndefined();
});
