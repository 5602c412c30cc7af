import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { queuedItem } from "./decide/decide.fixture.ts";
import { openStore } from "./store.ts";
import { startWorkWorld, type WorkWorld } from "./work.fixture.ts";

afterAll(leakCheck);
let world: WorkWorld;
beforeAll(async () => {
  world = await startWorkWorld();
});
afterAll(() => world.stop());

test("of changes made at once through several edges none is written over: each is decided on what the others left", async () => {
  const stores = await Promise.all(
    ["e1", "e2", "e3"].map(async (instance) => openStore(await world.join({ zone: "edge", instance }))),
  );
  const [store] = stores;
  if (store === undefined) throw new Error("no store");
  const item = queuedItem();
  await store.create(item);
  await Promise.all(
    [...stores, ...stores].map((one) =>
      one.change(item.id, (found) => ({ outcome: "held", next: { ...found, attempts: found.attempts + 1 } })),
    ),
  );
  expect(await store.read(item.id)).toMatchObject({ attempts: 6 });
});

test("an item is made once, and one that is not there is not changed", async () => {
  const store = await openStore(await world.join({ zone: "edge", instance: "e4" }));
  const item = queuedItem({ id: `work_${"y".repeat(22)}` });
  await store.create(item);
  await expect(store.create({ ...item, attempts: 1 })).rejects.toMatchObject({ code: "conflict" });
  expect(await store.change(`work_${"z".repeat(22)}`, () => ({ outcome: "gone" }))).toBeUndefined();
});

test("a runner can neither read nor write an item's state: it asks an edge", async () => {
  const runner = await world.join({ zone: "runner", instance: "r1" });
  await expect(openStore(runner).then((store) => store.read(queuedItem().id))).rejects.toMatchObject({
    name: "ServiceError",
  });
});
