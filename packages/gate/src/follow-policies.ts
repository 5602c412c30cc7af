import { setTimeout as delay } from "node:timers/promises";
import type { LivePolicies } from "@sallyport/policy";
import type { App } from "@sallyport/runtime";

const everyMs = 250;

/** Policies follow their files within a second. Files that are wrong change nothing, and readiness says so until they are mended. */
export function followPolicies(app: Pick<App, "use" | "log" | "health">, policies: LivePolicies): void {
  const stop = new AbortController();
  let problem: string | undefined;
  const following = (async () => {
    while (!stop.signal.aborted) {
      try {
        if (await policies.reload())
          app.log.info({ digest: policies.digest, rules: policies.count }, "other policies hold now");
        problem = undefined;
      } catch (error) {
        const said = error instanceof Error ? error.message : String(error);
        if (said !== problem)
          app.log.error({ problem: said }, "the policies are wrong; those before them go on holding");
        problem = said;
      }
      await delay(everyMs, undefined, { signal: stop.signal }).catch(() => {});
    }
  })();
  app.health.check("policies", () => (problem === undefined ? "ok" : { problem }));
  app.use(
    {
      close: async () => {
        stop.abort();
        await following;
      },
    },
    "policies",
  );
}
