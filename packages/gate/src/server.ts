import type { Placement } from "@sallyport/egress";
import type { Upstream } from "./upstream.ts";

/** A private MCP server that is offered through the tunnel. */
export interface Server {
  name: string;
  upstream: Upstream;
  /** As what the policy is asked about its tools' calls: `tools/call` unless told. */
  callAction?: "sandbox/exec";
  /** Which credential its requests carry, and where. */
  credential: { name: string; place: Placement } | undefined;
}
