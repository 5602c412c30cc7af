import { z } from "zod";
import { event } from "../shape/contract.ts";
import { open, sensitive } from "../shape/fields.ts";
import { SandboxDemands, SandboxReport } from "./sandbox-report.ts";

/**
 * "I am here", once a second from every instance of every zone. A hint only: what an edge believes of a connector comes
 * from its enrolled key, and a call only ever goes through a sealed session with it.
 */
export const presence = event({
  subject: "presence.v1.{zone}.{instance}",
  body: z.object({
    /** New at each start of the process: an edge sees at once that its session is gone. */
    boot: open(z.string().max(64)),
    version: open(z.string().max(32)),
    startedAt: open(z.iso.datetime()),
    /** The MCP servers that a connector offers, and whether each can be used now. */
    servers: open(
      z
        .array(
          z.object({ name: z.string().max(64), ready: z.boolean(), problem: z.string().max(300).optional() }),
        )
        .max(256)
        .optional(),
    ),
    problems: open(z.array(z.string().max(300)).max(32).optional()),
    /**
     * A runner's probe, and an edge's settings of pools, for `sallyport doctor`. One that is not understood is left out:
     * edges find their way by this message, and a report that only operators read must not cost it.
     */
    sandboxes: sensitive(SandboxReport.optional().catch(undefined)),
    demands: sensitive(SandboxDemands.optional().catch(undefined)),
  }),
  maxBytes: 64 * 1024,
  publishedBy: ["edge", "connector", "runner", "broker", "collector"],
  heardBy: ["edge", "operator"],
});
