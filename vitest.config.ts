import { defineConfig } from "vitest/config";

/** Each of these files starts several zones, or Vault and PostgreSQL: more than two at once starve each other. */
const stacks = "{test/{e2e,chaos,conformance,security,zones},infra/{local,zones},apps/broker}/**/*.test.ts";

export default defineConfig({
  test: {
    exclude: ["**/node_modules/**"],
    globalSetup: "test/nothing-left.ts",
    sequence: { shuffle: true },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["{apps,packages,infra,test,examples}/**/*.test.ts"],
          exclude: ["**/node_modules/**", stacks],
          maxWorkers: "100%",
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "stack",
          include: [stacks],
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
