import { join } from "node:path";
import type { Upstream } from "@sallyport/gate";
import { afterAll, afterEach } from "vitest";
import type { StdioServer } from "../../config.ts";
import { config, recordingDeps, Scripts } from "./stdio.fixture.ts";
import { stdioUpstream } from "./stdio.ts";

const examples = join(import.meta.dirname, "../../../../../examples/servers");

type More = Partial<Pick<Parameters<typeof stdioUpstream>[2], "limits">> & {
  deps?: ReturnType<typeof recordingDeps>;
};

/** What a test file starts: closed after each of its tests, and the folder of its small servers removed after the last. */
export function upstreams() {
  const scripts = new Scripts();
  const open: Upstream[] = [];
  afterEach(() => Promise.all(open.splice(0).map((upstream) => upstream.close())));
  afterAll(() => scripts.remove());

  function started(
    name: string,
    server: StdioServer,
    { limits = {}, deps = recordingDeps() }: More = {},
  ): Upstream {
    const upstream = stdioUpstream(name, server, { ...deps, limits });
    open.push(upstream);
    return upstream;
  }
  return {
    scripts,
    started,
    /** A server of a few lines, see `Scripts.server`. */
    scripted: (name: string, code: string, more?: More) => started(name, scripts.server(name, code), more),
    /** An example server with all that MCP knows, on either SDK. */
    everything: (version: "v1" | "v2") => {
      const file = join(examples, `everything-${version}`, "stdio.ts");
      return started("everything", config({ command: process.execPath, args: [file] }));
    },
  };
}
