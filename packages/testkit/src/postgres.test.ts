import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, describe, expect, it } from "vitest";
import { leakCheck } from "./leak-check.ts";
import { startPostgres } from "./postgres.ts";
import { accepts } from "./process/place.ts";

afterAll(leakCheck);

describe("startPostgres", () => {
  it("is a real server that keeps its rows through a kill, and goes without a trace", async () => {
    const postgres = await startPostgres();
    await postgres.query("create table orders (id int); insert into orders values (7)");
    await postgres.kill();
    await postgres.restart();
    expect(await postgres.query("select id from orders")).toEqual([{ id: 7 }]);
    await postgres.query("create database other");
    expect(await postgres.query("select current_database() as name", "other")).toEqual([{ name: "other" }]);
    await postgres.stop();
    expect(await accepts(postgres.port)).toBeUndefined();
    await expect(stat(postgres.dir)).rejects.toThrow();
  });

  it("listens on the loopback address only, without a Unix socket, and wants the password", async () => {
    const postgres = await startPostgres();
    const show = async (name: string) => Object.values((await postgres.query(`show ${name}`))[0] ?? {})[0];
    expect(await show("listen_addresses")).toBe("127.0.0.1");
    expect(await show("unix_socket_directories")).toBe("");
    expect(await show("data_directory")).toBe(join(postgres.dir, "data"));
    const stranger = new Client({ ...postgres, user: postgres.superuser, password: "guess" });
    await expect(stranger.connect()).rejects.toThrow(/password authentication failed/);
    await postgres.stop();
  });

  it("keeps a folder that the caller gave for the next start, below one that only its owner may enter", async () => {
    const closed = await mkdtemp(join(tmpdir(), "sallyport-kept-"));
    const dir = join(closed, "state");
    const first = await startPostgres({ dir });
    await first.query("create table kept (word text); insert into kept values ('portcullis')");
    await first.stop();
    const second = await startPostgres({ dir });
    expect(second.password).toBe(first.password);
    expect(await second.query("select word from kept")).toEqual([{ word: "portcullis" }]);
    await second.stop();
    await rm(closed, { recursive: true });
  });
});
