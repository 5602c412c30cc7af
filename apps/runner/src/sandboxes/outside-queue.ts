import { randomBytes } from "node:crypto";
import { ServiceError } from "@sallyport/contracts";
import type { SessionSandbox, SessionSandboxes } from "../environment/session-sandbox.ts";
import type { CallContext } from "./call-context.ts";
import type { LiveSandbox } from "./live-sandbox.ts";
import type { StartFor } from "./open-pool.ts";
import { SandboxGone } from "./sandbox-gone.ts";

/**
 * Sandboxes for sessions of an environment elsewhere, which are claimed there and not from our queue. No edge has signed a
 * grant for such an agent, and the broker leases nothing without one: a placeholder in them is refused.
 */
export function sandboxesOutsideQueue(deps: {
  runner: string;
  startIn(pool: string): StartFor | undefined;
}): SessionSandboxes {
  return {
    open: async ({ agent, pool, item }) => {
      const start = deps.startIn(pool);
      if (start === undefined) throw new ServiceError("not_found", `this runner has no pool ${pool}`);
      const context: CallContext = {
        who: { agent, user: undefined, grant: item },
        traceparent: undefined,
        credential: async () => {
          throw new ServiceError("denied", "an agent without a grant has no credentials");
        },
        ask: async () => {
          throw new ServiceError("unavailable", "no edge has brought this call");
        },
      };
      const handle = `${deps.runner}.${randomBytes(24).toString("base64url")}`;
      return oneSandbox(() => start({ handle, principal: handle, context: () => context }));
    },
  };
}

function oneSandbox(start: () => Promise<LiveSandbox>): SessionSandbox {
  let starting: Promise<LiveSandbox> | undefined;
  let over = false;
  return {
    bench: async () => {
      if (over) throw new SandboxGone();
      starting ??= start();
      const live = await starting;
      void live.ended.then(() => {
        over = true;
      });
      return live;
    },
    close: async () => {
      over = true;
      const live = await starting?.catch(() => undefined);
      await live?.destroy();
    },
  };
}
