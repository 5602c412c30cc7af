import { until } from "@sallyport/testkit";
import { expect, test } from "vitest";
import { type Api, startApi } from "./environment.fixture.ts";
import { RemoteSession, type SessionEvent } from "./remote-session.ts";

const within = 10_000;

const quick = { claimMs: 200, leaseMs: 400, graceMs: 200, maxAttempts: 3 };
const work = "/v1/environments/builds/work";
const post = { method: "POST" };

/** A call that waits, and the item for it in a worker's hands: acknowledged, and with one beat. */
async function taken(api: Api, key: string) {
  const call = api.call({ command: "x" });
  call.catch(() => undefined);
  const { body } = await api.ask(`${work}/poll?block_ms=500`, { key });
  const secret = JSON.parse(Buffer.from(String(body.secret), "base64url").toString());
  const [id, token] = [String(body.id), String(secret.sessions_token)];
  await api.ask(`${work}/${id}/ack`, { ...post, key });
  const beat = await api.ask(`${work}/${id}/heartbeat?expected_last_heartbeat=NO_HEARTBEAT`, {
    ...post,
    key: token,
  });
  const session = (body.data as { id: string }).id;
  const events = await api.ask(`/v1/sessions/${session}/events?limit=1000`, { key: token });
  const [use] = events.body.data as { id: string }[];
  const result = (text: unknown = "done") => ({
    ...post,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      events: [
        {
          type: "user.tool_result",
          tool_use_id: use?.id,
          is_error: false,
          content: text === null ? [] : [{ type: "text", text }],
        },
      ],
    }),
  });
  return {
    call,
    id,
    token,
    session,
    beat,
    result,
    send: (init: object, as = token) => api.ask(`/v1/sessions/${session}/events`, { ...init, key: as }),
  };
}

test("nobody is let in without a bearer token that is in force, and every refusal has the API's shape", async () => {
  const api = await startApi();
  const { id, key } = api.addKey();
  const wrong = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
  const refused = [
    undefined,
    "x",
    wrong,
    `spek_${"0".repeat(16)}.${key.slice(-43)}`,
    `spit_work_${"x".repeat(22)}.${key.slice(-43)}`,
  ];
  for (const one of refused) {
    const { status, body } = await api.ask(`${work}/poll`, one === undefined ? {} : { key: one });
    expect([status, body]).toEqual([
      401,
      {
        type: "error",
        error: { type: "authentication_error", message: expect.any(String) },
        request_id: expect.stringMatching(/^req_/),
      },
    ]);
  }
  const basic = await api.ask(`${work}/poll`, { headers: { authorization: `Basic ${key}` } });
  expect(basic.status).toBe(401);
  expect((await api.ask(`${work}/poll`, { key })).status).toBe(200);
  api.keys.set(id, undefined);
  expect((await api.ask(`${work}/poll`, { key })).status).toBe(401);
});

test("a key is for its environment alone", async () => {
  const api = await startApi();
  const { key } = api.addKey("other");
  const of = await taken(api, api.addKey().key);
  for (const path of [`${work}/poll`, work, `${work}/stats`, `${work}/${of.id}`])
    expect([path, (await api.ask(path, { key })).status]).toEqual([path, 403]);
  for (const path of [`${work}/${of.id}/ack`, `${work}/${of.id}/heartbeat`, `${work}/${of.id}/stop`])
    expect([path, (await api.ask(path, { ...post, key })).status]).toEqual([path, 403]);
  // Under its own environment's name it finds no such item.
  const here = `/v1/environments/other/work/${of.id}/stop`;
  expect((await api.ask(here, { ...post, key })).status).toBe(404);
  for (const path of [`/v1/sessions/${of.session}`, `/v1/sessions/${of.session}/events`])
    expect([path, (await api.ask(path, { key })).status]).toEqual([path, 403]);
});

test("an item's token is for its item and its session alone, and polls nothing", async () => {
  const api = await startApi();
  const { key } = api.addKey();
  const one = await taken(api, key);
  const second = api.call({ command: "y" }, { session: "s2" });
  second.catch(() => undefined);
  const { body } = await api.ask(`${work}/poll?block_ms=500`, { key });
  const other = String(body.id);
  const of = (body.data as { id: string }).id;
  const as = { key: one.token };
  expect((await api.ask(`${work}/poll`, as)).status).toBe(403);
  expect((await api.ask(`${work}/${one.id}/ack`, { ...post, ...as })).status).toBe(403);
  for (const verb of ["heartbeat", "stop"])
    expect((await api.ask(`${work}/${other}/${verb}`, { ...post, ...as })).status).toBe(403);
  for (const path of [`/v1/sessions/${of}`, `/v1/sessions/${of}/events`, `/v1/sessions/${of}/events/stream`])
    expect((await api.ask(path, as)).status).toBe(403);
});

test("a token shows nowhere but in the poll that gave it, and is kept as a hash", async () => {
  const api = await startApi();
  const { key } = api.addKey();
  const of = await taken(api, key);
  const { body } = await api.ask(`${work}/${of.id}`, { key });
  expect(body).toMatchObject({ secret: null, state: "active", environment_id: "builds" });
  expect((await api.ask(work, { key })).body).toMatchObject({ data: [{ id: of.id, secret: null }] });
  const kept = JSON.stringify([api.environments.claimOf(of.id), api.environments.item(of.id)]);
  expect(kept).not.toContain(of.token.split(".")[1]);
});

test("a revoked key takes along what was claimed with it: token, stream, result", async () => {
  const api = await startApi();
  const { id, key } = api.addKey();
  const of = await taken(api, key);
  const stream = await fetch(`${api.url}/v1/sessions/${of.session}/events/stream`, {
    headers: { authorization: `Bearer ${of.token}` },
  });
  api.keys.set(id, undefined);
  expect((await of.send(of.result())).status).toBe(401);
  expect(
    (await api.ask(`${work}/${of.id}/heartbeat?expected_last_heartbeat=x`, { ...post, key: of.token }))
      .status,
  ).toBe(401);
  // The next event would have gone there.
  const next = api.call({ command: "secret" });
  next.catch(() => undefined);
  const read = await stream.text().catch(() => "broken off");
  expect(read).not.toContain("secret");
});

test("a beat that was answered and not heard may be sent again; any other value loses the lease, with 412", async () => {
  const api = await startApi();
  const of = await taken(api, api.addKey().key);
  const beat = (expected: string) =>
    api.ask(`${work}/${of.id}/heartbeat?expected_last_heartbeat=${encodeURIComponent(expected)}`, {
      ...post,
      key: of.token,
    });
  const again = await beat("NO_HEARTBEAT");
  expect(again).toEqual(of.beat);
  expect(again.body).toMatchObject({
    type: "work_heartbeat",
    lease_extended: true,
    state: "active",
    ttl_seconds: 30,
  });
  const next = await beat(String(again.body.last_heartbeat));
  expect(next.body.last_heartbeat).not.toBe(again.body.last_heartbeat);
  expect(await beat("something else")).toMatchObject({
    status: 412,
    body: {
      error: {
        details: { error_code: "heartbeat_precondition_failed", current_state: { lease_extended: false } },
      },
    },
  });
  expect((await api.ask(`${work}/${of.id}/heartbeat`, { ...post, key: of.token })).status).toBe(400);
});

test("a result that comes after the lease is refused, whoever has the session by then", async () => {
  const api = await startApi({ timing: quick });
  const { key } = api.addKey();
  const of = await taken(api, key);
  await until("the lease's end", () => !api.environments.isHeld(of.id), { within });
  expect((await of.send(of.result("late"))).status).toBe(403);
  const { body } = await api.ask(`${work}/poll?block_ms=900`, { key });
  expect(body.id).toBe(of.id);
  expect((await of.send(of.result("late"))).status).toBe(401);
  let settled = false;
  of.call.then(
    () => (settled = true),
    () => undefined,
  );
  expect(settled).toBe(false);
});

test("a result is taken once, the same one again is told as it was, and nothing else is an event", async () => {
  const api = await startApi();
  const of = await taken(api, api.addKey().key);
  for (const bad of [
    of.result(""),
    of.result(null),
    of.result(7),
    { ...of.result(), body: "{" },
    { ...of.result(), body: '{"events":[]}' },
    { ...of.result(), body: JSON.stringify({ events: [{ type: "user.message", content: [] }] }) },
  ])
    expect((await of.send(bad)).status).toBe(400);
  const stray = JSON.stringify({
    events: [{ type: "user.tool_result", tool_use_id: "sevt_x", content: [{ type: "text", text: "x" }] }],
  });
  expect((await of.send({ ...of.result(), body: stray })).status).toBe(400);
  const first = await of.send(of.result("one"));
  const again = await of.send(of.result("two"));
  expect(first.status).toBe(200);
  expect(again).toEqual(first);
  expect(await of.call).toEqual({ is_error: false, content: [{ type: "text", text: "one" }] });
});

test("a stopped item is stopped: 409 for another stop, and what is open goes to another worker", async () => {
  const api = await startApi();
  const { key } = api.addKey();
  const of = await taken(api, key);
  const stop = { ...post, key: of.token, body: '{"force":true}' };
  expect((await api.ask(`${work}/${of.id}/stop`, stop)).body.state).toBe("stopped");
  expect((await api.ask(`${work}/${of.id}/stop`, { ...post, key })).status).toBe(409);
  const { body } = await api.ask(`${work}/poll?block_ms=500`, { key });
  expect([body.id === of.id, (body.data as { id: string }).id]).toEqual([false, of.session]);
});

test("a graceful stop is told at the next beat", async () => {
  const api = await startApi();
  const { key } = api.addKey();
  const of = await taken(api, key);
  expect((await api.ask(`${work}/${of.id}/stop`, { ...post, key })).body.state).toBe("stopping");
  const beat = await api.ask(`${work}/${of.id}/heartbeat?expected_last_heartbeat=any`, {
    ...post,
    key: of.token,
  });
  expect(beat.body).toMatchObject({ state: "stopping", lease_extended: false });
});

test("a session that no worker takes in time fails its calls, and so does one that workers keep giving up", async () => {
  const api = await startApi({ placeWithin: 100 });
  await expect(api.call({ command: "x" })).rejects.toMatchObject({ code: "unavailable" });
  const { key } = api.addKey();
  const call = api.call({ command: "x" });
  call.catch(() => undefined);
  for (let times = 0; times < 3; times += 1) {
    const { body } = await api.ask(`${work}/poll?block_ms=900`, { key });
    await api.ask(`${work}/${body.id}/ack`, { ...post, key });
    await api.ask(`${work}/${body.id}/stop`, { ...post, key, body: '{"force":true}' });
  }
  await expect(call).rejects.toThrow(/gave the session up/);
});

test("an item that is not acknowledged is given out again, and the first ack comes too late", async () => {
  const api = await startApi({ timing: quick });
  const { key } = api.addKey();
  api.call({ command: "x" }).catch(() => undefined);
  const first = await api.ask(`${work}/poll?block_ms=500`, { key });
  expect((await api.ask(`${work}/poll`, { key })).body).toBeNull();
  await until(
    "the item again",
    async () => (await api.ask(`${work}/poll?block_ms=100`, { key })).body?.id === first.body.id,
    { within },
  );
  const old = JSON.parse(Buffer.from(String(first.body.secret), "base64url").toString()).sessions_token;
  expect(
    (
      await api.ask(`${work}/${first.body.id}/heartbeat?expected_last_heartbeat=NO_HEARTBEAT`, {
        ...post,
        key: old,
      })
    ).status,
  ).toBe(401);
});

test("what is asked for is bounded: block_ms, limit, paths, hosts, web pages", async () => {
  const api = await startApi();
  const { key } = api.addKey();
  for (const query of ["block_ms=1000", "block_ms=-1", "block_ms=x", "reclaim_older_than_ms=x"])
    expect((await api.ask(`${work}/poll?${query}`, { key })).status).toBe(400);
  const of = await taken(api, key);
  for (const query of ["limit=0", "limit=1001", "limit=x", "page=x"])
    expect((await api.ask(`/v1/sessions/${of.session}/events?${query}`, { key: of.token })).status).toBe(400);
  for (const path of [
    "/v1/x",
    `${work}/${of.id}/metadata`,
    "/v1/environments/a%2Fb/work/poll",
    "/v1/sessions",
  ])
    expect([path, (await api.ask(path, { key })).status]).toEqual([path, 404]);
  expect((await api.ask(`${work}/poll`, { key, headers: { origin: "https://page.example" } })).status).toBe(
    403,
  );
  expect((await api.ask(`${work}/poll`, { key, method: "DELETE" })).status).toBe(404);
  expect((await api.ask(`${work}/stats`, { key })).body).toMatchObject({
    type: "work_queue_stats",
    depth: 0,
    pending: 0,
  });
});

test("every frame of the stream has its event line, and the stream ends with the session", async () => {
  const api = await startApi();
  const of = await taken(api, api.addKey().key);
  const stream = await fetch(`${api.url}/v1/sessions/${of.session}/events/stream`, {
    headers: { authorization: `Bearer ${of.token}` },
  });
  await of.send(of.result());
  await of.call;
  api.environments.end("s1");
  const frames = (await stream.text()).trim().split("\n\n");
  const names = frames.map((frame) => /^event: (\S+)\ndata: \{.*\}$/.exec(frame)?.[1]);
  expect(names).toEqual(["ping", "user.tool_result", "session.status_idle", "session.status_terminated"]);
});

test("a session forgets what was answered long ago, and never a call that is open", async () => {
  const session = new RemoteSession("builds");
  const { signal } = new AbortController();
  const kept = () => {
    const all: SessionEvent[] = [];
    for (let after: number | undefined = 0; after !== undefined; ) {
      const { events, next } = session.page(after, 1_000);
      all.push(...events);
      after = next;
    }
    return all;
  };
  const open = session.call("bash", { n: "open" }, signal);
  open.catch(() => undefined);
  let newest = "";
  session.listen({
    event: ({ id, type }) => {
      if (type === "agent.tool_use") newest = id;
    },
    end: () => undefined,
  });
  for (let n = 0; n < 1_500; n += 1) {
    const call = session.call("bash", { n }, signal);
    session.answer(newest, { is_error: false, content: [{ type: "text", text: "x" }] });
    await call;
  }
  expect(kept().length).toBe(2_000);
  expect(kept()[0]).toMatchObject({ type: "agent.tool_use", input: { n: "open" } });
  session.terminate();
  await expect(open).rejects.toMatchObject({ code: "not_found" });
});

test("a session takes a bounded number of calls at once", () => {
  const session = new RemoteSession("builds");
  const { signal } = new AbortController();
  for (let n = 0; n < 64; n += 1) session.call("bash", {}, signal).catch(() => undefined);
  expect(() => session.call("bash", {}, signal)).toThrow(/too many calls/);
  session.terminate();
});
