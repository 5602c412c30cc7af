import { once } from "node:events";
import { access } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { leakCheck } from "./leak-check.ts";
import { type NatsServer, startNats } from "./nats.ts";
import { accepts, freePort } from "./process/place.ts";

afterAll(leakCheck);

/** The first line a server sends: `INFO {…}`. */
async function info(server: NatsServer): Promise<Record<string, unknown>> {
  const socket = connect(server.port, "127.0.0.1");
  const [line] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  return JSON.parse(line.toString().replace(/^INFO /, "")) as Record<string, unknown>;
}

describe("startNats", () => {
  it("gives a server with JetStream on a port the system picked, and takes all of it away", async () => {
    const server = await startNats();
    expect(await info(server)).toMatchObject({ jetstream: true, port: server.port });
    expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
    await server.stop();
    expect(await accepts(server.port)).toBeUndefined();
    await expect(access(server.dir)).rejects.toThrow();
  });

  it("takes more configuration, and can do without JetStream", async () => {
    const server = await startNats({
      jetstream: false,
      config: "max_payload: 4096\nauthorization { token: t }",
    });
    expect(await info(server)).toMatchObject({ max_payload: 4096, auth_required: true });
    expect(await info(server)).not.toHaveProperty("jetstream");
    await server.stop();
  });

  it("takes words of its own into the JetStream block", async () => {
    const server = await startNats({ jetstream: "sync_interval: always" });
    expect(await info(server)).toMatchObject({ jetstream: true });
    await server.stop();
  });

  it("comes back on the same port with the same store after a kill", async () => {
    const port = await freePort();
    const server = await startNats({ port });
    expect(server.port).toBe(port);
    await server.kill();
    expect(await accepts(port)).toBeUndefined();
    await server.restart();
    expect(await info(server)).toMatchObject({ port, jetstream: true });
    await access(join(server.dir, "jetstream"));
    await server.stop();
  });

  it("refuses a configuration it does not understand, with the server's own words", async () => {
    await expect(startNats({ config: "no_such_setting: 1" })).rejects.toThrow(/no_such_setting/);
  });
});
