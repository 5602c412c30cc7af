import type { SourceFile } from "./source-files.ts";

/** Something that one place may use. What is `except` is a debt or a tool: each with its reason. */
export interface OnlyHere {
  readonly what: string;
  readonly because: string;
  readonly uses: (file: SourceFile) => readonly number[];
  /** Path prefixes of those whose job it is. */
  readonly here: readonly string[];
  /** Path prefix → why it may as well. One that nobody needs any more fails the test. */
  readonly except: Readonly<Record<string, string>>;
  /** Why tests and their fixtures may; without it they may not. */
  readonly tests?: string;
}

const modules = (pattern: RegExp) => (file: SourceFile) =>
  file.imports.filter(({ from }) => from !== undefined && pattern.test(from)).map(({ line }) => line);
const uses = (what: "env" | "exit" | "listener" | "whole") => (file: SourceFile) =>
  file.processUses.filter((use) => use.what === what).map(({ line }) => line);

/** Who may use what, and why nobody else. */
export const onlyHere: readonly OnlyHere[] = [
  {
    what: "@nats-io/*",
    because: "one place parses, bounds and answers messages",
    uses: modules(/^@nats-io\//),
    here: ["packages/bus/"],
    except: {
      "infra/nats/": "issues the users' JWTs and makes the streams, before there is a bus",
      "packages/installation/": "reads who signed a JWT and puts a creds file together, where no bus is open",
    },
    tests: "they play a peer that keeps to no rule",
  },
  {
    what: "node-vault",
    because: "a compromised runner must hold no path to secrets",
    uses: modules(/^node-vault(?:\/|$)/),
    here: ["apps/broker/src/vault/"],
    except: {},
  },
  {
    what: "node:child_process",
    because: "edge code must not start processes",
    uses: modules(/^(?:node:)?child_process$/),
    here: ["packages/isolation/", "apps/connector/src/upstream/stdio/", "packages/testkit/", "apps/cli/"],
    except: {
      "packages/sandbox-agent/src/build-agent.ts":
        "the agent is a C program: it runs the compiler, and nothing else",
    },
    tests: "they start what they test as the process that it is",
  },
  {
    what: "node:cluster and node:worker_threads",
    because: "they are other ways to start code that the rule for node:child_process does not see",
    uses: modules(/^(?:node:)?(?:cluster|worker_threads)$/),
    here: ["packages/isolation/"],
    except: {},
  },
  {
    what: "the OpenTelemetry SDK",
    because: "everybody else sees only the no-op @opentelemetry/api",
    uses: modules(/^@opentelemetry\/(?!api$)/),
    here: ["packages/runtime/src/telemetry/"],
    except: {},
  },
  {
    what: "process.env",
    because: "one place reads, checks and redacts settings",
    uses: uses("env"),
    here: ["packages/runtime/src/config/"],
    except: {
      "packages/testkit/src/tools/find-tool.ts": "looks for servers on the PATH of a developer",
      "examples/agent/model.ts": "an agent is not ours: the key of its model is where its SDK looks for it",
    },
    tests: "a child gets the PATH of the test run",
  },
  {
    what: "process.exit",
    because: "one place ends a process, after all that it holds was put away",
    uses: uses("exit"),
    here: ["packages/runtime/src/lifecycle/"],
    except: {},
  },
  {
    what: "listeners on process (signals, uncaught errors)",
    because: "one place decides how a process ends",
    uses: uses("listener"),
    here: ["packages/runtime/src/lifecycle/"],
    except: {
      "infra/local/main.ts":
        "a development tool that stops what is still starting before it ends, however long that takes",
      "examples/": "an example stands for a server that is not ours: it has no runtime",
    },
  },
  {
    what: "process under another name",
    because: "it hides process.env and process.exit from the rules above, and node:process does the same",
    uses: (file) => [...uses("whole")(file), ...modules(/^(?:node:)?process$/)(file)],
    here: [],
    except: {},
  },
  {
    what: "a module whose name is computed",
    because: "nobody can see what it loads, this test included",
    uses: (file) => file.imports.filter(({ from }) => from === undefined).map(({ line }) => line),
    here: [],
    except: {
      "packages/testkit/src/postgres.ts": "the platform's own package with PostgreSQL's binaries",
      "test/conformance/suite.ts": "two versions of the official suite, found by name",
    },
  },
];
