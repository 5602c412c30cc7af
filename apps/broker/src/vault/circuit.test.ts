import { expect, test } from "vitest";
import { Circuit } from "./circuit.ts";

const fault = () => Promise.reject(new Error("bad route"));
const fine = async () => "fine";
const isFault = (thrown: unknown) => thrown instanceof Error && thrown.message === "bad route";

test("a route that failed three times in a row rests, then one request tries it again", async () => {
  let time = 0;
  const circuit = new Circuit({ name: "credential crm", now: () => time });
  for (let failure = 0; failure < 3; failure += 1) {
    await expect(circuit.run(fault, isFault)).rejects.toThrow("bad route");
  }
  await expect(circuit.run(fine, isFault)).rejects.toMatchObject({ code: "unavailable" });
  time = 2_000;
  const trial = circuit.run(fine, isFault);
  await expect(circuit.run(fine, isFault)).rejects.toMatchObject({ code: "unavailable" });
  expect(await trial).toBe("fine");
  expect(await circuit.run(fine, isFault)).toBe("fine");
});

test("what is no fault of the route does not count", async () => {
  const circuit = new Circuit({ name: "credential crm", failures: 1 });
  await expect(circuit.run(() => Promise.reject(new Error("denied")), isFault)).rejects.toThrow("denied");
  expect(await circuit.run(fine, isFault)).toBe("fine");
});

test("a slow route holds only so many requests", async () => {
  const circuit = new Circuit({ name: "credential crm", maxInFlight: 1 });
  const { promise, resolve } = Promise.withResolvers<string>();
  const slow = circuit.run(() => promise, isFault);
  await expect(circuit.run(fine, isFault)).rejects.toMatchObject({ code: "exhausted" });
  resolve("done");
  expect(await slow).toBe("done");
  expect(await circuit.run(fine, isFault)).toBe("fine");
});
