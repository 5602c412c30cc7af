import { expect, it } from "vitest";
import { leastBusy } from "./least-busy.ts";

const tunnel = (name: string, inUse: number, quiet = false) => ({ name, link: { quiet }, grants: { inUse } });

it("chooses the tunnel with the fewest calls", () => {
  const tunnels = [tunnel("a", 2), tunnel("b", 0), tunnel("c", 1)];
  for (const turn of [1, 2, 3]) expect(leastBusy(tunnels, turn)?.name).toBe("b");
});

it("takes turns among equals", () => {
  const tunnels = [tunnel("a", 1), tunnel("b", 1), tunnel("c", 1)];
  expect([0, 1, 2, 3].map((turn) => leastBusy(tunnels, turn)?.name)).toEqual(["a", "b", "c", "a"]);
});

it("asks a tunnel that has gone quiet only when every other one has, too", () => {
  for (const turn of [0, 1]) {
    expect(leastBusy([tunnel("a", 0, true), tunnel("b", 9)], turn)?.name).toBe("b");
    expect(leastBusy([tunnel("a", 0, true), tunnel("b", 9, true)], turn)?.name).toBe("a");
  }
});

it("chooses nothing among none", () => {
  expect(leastBusy([], 1)).toBeUndefined();
});
