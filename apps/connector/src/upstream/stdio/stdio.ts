import { ServiceError } from "@sallyport/contracts";
import type { Upstream } from "../upstream.ts";

export function stdioUpstream(name: string, _config: unknown, _deps: unknown): Upstream {
  return {
    needsLease: () => false,
    problem: () => `${name}: not yet`,
    close: async () => undefined,
    send: () => {
      throw new ServiceError("unavailable", "not yet");
    },
  };
}
