import { setTimeout as later } from "node:timers/promises";
import { z } from "zod";
import { appConfig } from "../config/process-settings.ts";
import { BootError } from "./boot-error.ts";
import { runApp } from "./run-app.ts";

/** A process for the tests of `runApp`: its configuration says how it behaves. It tells its steps on stdout. */
const settings = appConfig({
  behave: z.enum([
    "well",
    "hang",
    "fail-to-close",
    "reject",
    "throw",
    "cannot-boot",
    "bug-in-boot",
    "give-up",
  ]),
  note: z.string().default(""),
  /** Milliseconds that closing takes, and that are added to the grace. */
  slowly: z.string().transform(Number).default(20),
});

const say = (text: string) => process.stdout.write(`${text}\n`);
const grace = process.env.TEST_GRACE_MS;

await runApp(
  "fixture",
  async (app) => {
    const config = await app.config(settings);
    app.addGrace(config.slowly);
    app.use({ close: () => say("closed first") }, "first");
    if (config.behave === "cannot-boot") {
      throw new BootError("the vault does not answer", { setting: "vault.address", fix: "start it" });
    }
    if (config.behave === "bug-in-boot") throw new TypeError("undefined is not a function");
    app.use(
      {
        close: async () => {
          say("closing second");
          if (config.behave === "hang") await new Promise(() => {});
          if (config.behave === "fail-to-close") throw new Error("socket gone");
          await later(config.slowly);
          say("closed second");
        },
      },
      "second",
    );
    app.signal.addEventListener("abort", () => say("intake stopped"));
    if (config.behave === "reject") void Promise.reject(new Error("nobody caught this"));
    if (config.behave === "throw") setTimeout(() => thrower(), 0);
    if (config.behave === "give-up") app.stop(new Error("the connection is gone for good"));
    say(`up ${config.note}`);
  },
  grace === undefined ? {} : { graceMs: Number(grace) },
);

function thrower(): void {
  throw new Error("nobody caught this");
}
