import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { impassable } from "./passable.ts";
import { passableFolder } from "./world.fixture.ts";

it("names the first folder on the way that other users cannot pass through", async () => {
  const folder = await passableFolder();
  try {
    await mkdir(join(folder, "open/closed/inner"), { recursive: true, mode: 0o711 });
    expect(await impassable(join(folder, "open/closed/inner"))).toBeUndefined();
    expect(await impassable(join(folder, "open/not-there-yet"))).toBeUndefined();
    await chmod(join(folder, "open/closed"), 0o700);
    expect(await impassable(join(folder, "open/closed/inner"))).toBe(join(folder, "open/closed"));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
