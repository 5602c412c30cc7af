import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { leakCheck } from "./leak-check.ts";
import { type OpenBao, startOpenBao } from "./openbao.ts";
import { accepts } from "./process/place.ts";

afterAll(leakCheck);

async function api(bao: OpenBao, path: string, body?: object): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${bao.url}/v1/${path}`, {
    method: body ? "POST" : "GET",
    headers: { "x-vault-token": bao.rootToken },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
}

async function remember(bao: OpenBao): Promise<void> {
  expect((await api(bao, "sys/mounts/kept", { type: "kv" })).status).toBe(204);
  expect((await api(bao, "kept/word", { word: "portcullis" })).status).toBe(204);
}

async function expectRemembered(bao: OpenBao): Promise<void> {
  expect((await api(bao, "kept/word")).json).toMatchObject({ data: { word: "portcullis" } });
}

describe("startOpenBao", () => {
  it("is a real server: it remembers after a kill, seals and unseals, and audits", async () => {
    const bao = await startOpenBao();
    await remember(bao);
    await bao.kill();
    expect(await accepts(bao.port)).toBeUndefined();
    await bao.restart();
    await expectRemembered(bao);

    await bao.seal();
    expect((await api(bao, "kept/word")).status).toBe(503);
    await bao.unseal();
    await expectRemembered(bao);

    const records = (await readFile(bao.auditFile, "utf8")).trim().split("\n");
    expect(
      records.map((record) => (JSON.parse(record) as { request: { path: string } }).request.path),
    ).toContain("kept/word");
    expect(records.join("\n")).not.toContain(bao.rootToken);
    await bao.stop();
    await expect(stat(bao.dir)).rejects.toThrow();
  });

  it("keeps a folder that the caller gave, with the keys for its owner only, for the next start", async () => {
    const dir = await mkdtemp(join(tmpdir(), "sallyport-kept-"));
    const first = await startOpenBao({ dir });
    await remember(first);
    await first.stop();
    expect((await stat(join(dir, "keys.json"))).mode & 0o777).toBe(0o600);
    const second = await startOpenBao({ dir });
    expect(second.rootToken).toBe(first.rootToken);
    await expectRemembered(second);
    await second.stop();
    await rm(dir, { recursive: true });
  });
});
