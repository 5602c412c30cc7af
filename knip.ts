import type { KnipConfig } from "knip";

/** What starts by itself, and what is needed though no file imports it. Everything else must be used by something. */
export default {
  // A type may be exported beside the function that takes it.
  ignoreExportsUsedInFile: { interface: true, type: true },
  workspaces: {
    // What an image runs to ask its zone whether it is alive.
    ".": { entry: ["infra/images/health.mjs"] },
    "packages/*": {},
    "apps/*": { entry: ["main.ts"] },
    // The WebAssembly of policies is loaded from beside the built file.
    "apps/connector": { entry: ["main.ts"], ignoreDependencies: ["@cedar-policy/cedar-wasm"] },
    "apps/runner": { entry: ["main.ts"], ignoreDependencies: ["@cedar-policy/cedar-wasm"] },
    // Its own bin.
    "apps/cli": {},
    "infra/*": {},
    "infra/local": {
      // Started as processes, by the path of their main.ts.
      ignoreDependencies: ["@sallyport/example-issuer", "@sallyport/example-servers"],
    },
    "examples/*": { entry: ["main.ts"] },
    "examples/agent": {},
    "examples/servers": {
      entry: ["*/{main,stdio}.ts"],
      // Started by the demo as the MCP server that it is.
      ignoreDependencies: ["@bytebase/dbhub"],
    },
    test: {
      entry: ["{bench,chaos}/**/*-{main,server}.ts", "zones/{dial,forward}.ts"],
      // Two versions of the official suite, started as the commands that they are.
      ignoreDependencies: ["@modelcontextprotocol/conformance", "conformance-next"],
    },
  },
} satisfies KnipConfig;
