import { parseArgs } from "node:util";
import { benchEgress } from "./egress/bench.ts";
import { benchSandbox } from "./sandbox/bench.ts";
import { benchTunnel } from "./tunnel/bench.ts";

const usage = `usage: pnpm bench tunnel [--rounds 5] [--seconds 2] [--sizes 64,16384,262144] [--concurrency 32,1] [--streams 1000]
                         [--sample 1] [--no-sync]
Compares a direct call, a bare NATS relay and Sallyport with every guard on, in interleaved rounds.
  --sample   share of calls whose spans are kept
  --profile  a folder for one CPU profile of each zone
  --no-sync  the audit log is acknowledged before it is on disk

       pnpm bench egress [--rounds 5] [--seconds 2] [--profile folder]
Compares a plain Node CONNECT proxy with a sandbox's door, passing TLS on and ending it to place a credential.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seconds: { type: "string", default: "2" },
    sizes: { type: "string", default: "64,16384,262144" },
    concurrency: { type: "string", default: "32,1" },
    streams: { type: "string", default: "1000" },
    sample: { type: "string", default: "1" },
    profile: { type: "string" },
    "no-sync": { type: "boolean", default: false },
    creations: { type: "string", default: "300" },
    warm: { type: "string", default: "200" },
    idle: { type: "string", default: "100" },
    soak: { type: "string", default: "0" },
    help: { type: "boolean", default: false },
  },
});
const egress = positionals[0] === "egress";
if (egress && !values.help) {
  const { rounds, seconds, profile } = values;
  await benchEgress({ rounds: Number(rounds), seconds: Number(seconds), profile }, console.log);
} else if (positionals[0] === "sandbox" && !values.help) {
  const { rounds = "50", creations, warm, idle, soak } = values;
  const numbers = { rounds, creations, warm, idle, soak };
  const options = Object.fromEntries(
    Object.entries(numbers).map(([name, value]) => [name, Number(value)]),
  ) as Record<keyof typeof numbers, number>;
  await benchSandbox(options, console.log);
} else if (values.help || positionals[0] !== "tunnel") {
  console.log(usage);
  process.exitCode = values.help ? 0 : 2;
} else {
  const options = {
    rounds: Number(values.rounds ?? "5"),
    seconds: Number(values.seconds),
    sizes: values.sizes.split(",").map(Number),
    concurrencies: values.concurrency.split(",").map(Number),
    streams: Number(values.streams),
    profile: values.profile,
    sampleRatio: Number(values.sample),
    syncAudit: !values["no-sync"],
  };
  await benchTunnel(options, console.log);
}
