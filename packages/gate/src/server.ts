import type { Placement } from "@sallyport/egress";
import type { Upstream } from "./upstream.ts";

/** A private MCP server that is offered through the tunnel. */
export interface Server {
  name: string;
  upstream: Upstream;
  /** Which credential its requests carry, and where. */
  credential: { name: string; place: Placement } | undefined;
}
