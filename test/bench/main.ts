import { parseArgs } from "node:util";
import { benchEgress } from "./egress/bench.ts";
import { benchSandbox } from "./sandbox/bench.ts";
import { benchScale } from "./scale/bench.ts";
import { benchSession } from "./session/bench.ts";
import { benchSoak } from "./soak/bench.ts";
import { benchTunnel } from "./tunnel/bench.ts";

const usage = `usage: pnpm bench tunnel [--rounds 5] [--seconds 2] [--sizes 64,16384,262144] [--concurrency 32,1] [--streams 1000]
                         [--sample 1] [--no-sync]
Compares a direct call, a bare NATS relay and Sallyport with every guard on, in interleaved rounds.
  --sample   share of calls whose spans are kept
  --profile  a folder for one CPU profile of each zone
  --no-sync  the audit log is acknowledged before it is on disk

       pnpm bench egress [--rounds 5] [--seconds 2] [--profile folder]
Compares a plain Node CONNECT proxy with a sandbox's door, passing TLS on and ending it to place a credential.

       pnpm bench sandbox [--rounds 50] [--creations 300] [--warm 200] [--idle 100] [--soak 0]
Compares the hardened sandbox with bare bubblewrap and others; --soak makes and destroys that many and counts what is left.

       pnpm bench session [--rounds 5] [--warm 200]
Compares a command asked of a sandbox's agent with the same command as an agent's call through edge and relay.

       pnpm bench soak [--sessions 5000] [--concurrency 8]
Sessions in sandboxes through edge, queue and runner: what is held before and after, and how much memory.

       pnpm bench scale [--agents 1000] [--seconds 2] [--sizes 64,16384,262144] [--concurrency 32] [--sandboxes 32]
                        [--connectors 1] [--sample 1] [--no-sync]
What one of each process carries: processor time of a call, memory of an agent and of a sandbox, what the relay carries and keeps.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string" },
    seconds: { type: "string", default: "2" },
    sizes: { type: "string", default: "64,16384,262144" },
    concurrency: { type: "string" },
    sessions: { type: "string", default: "5000" },
    streams: { type: "string", default: "1000" },
    sample: { type: "string", default: "1" },
    profile: { type: "string" },
    "no-sync": { type: "boolean", default: false },
    creations: { type: "string", default: "300" },
    warm: { type: "string", default: "200" },
    idle: { type: "string", default: "100" },
    soak: { type: "string", default: "0" },
    agents: { type: "string", default: "1000" },
    sandboxes: { type: "string", default: "32" },
    connectors: { type: "string", default: "1" },
    help: { type: "boolean", default: false },
  },
});

const rounds = (usual: number) => Number(values.rounds ?? usual);
const benches: Readonly<Record<string, () => Promise<void>>> = {
  tunnel: () =>
    benchTunnel(
      {
        rounds: rounds(5),
        seconds: Number(values.seconds),
        sizes: values.sizes.split(",").map(Number),
        concurrencies: (values.concurrency ?? "32,1").split(",").map(Number),
        streams: Number(values.streams),
        profile: values.profile,
        sampleRatio: Number(values.sample),
        syncAudit: !values["no-sync"],
      },
      console.log,
    ),
  egress: () =>
    benchEgress({ rounds: rounds(5), seconds: Number(values.seconds), profile: values.profile }, console.log),
  sandbox: () =>
    benchSandbox(
      {
        rounds: rounds(50),
        creations: Number(values.creations),
        warm: Number(values.warm),
        idle: Number(values.idle),
        soak: Number(values.soak),
      },
      console.log,
    ),
  soak: () =>
    benchSoak(
      { sessions: Number(values.sessions), concurrency: Number(values.concurrency ?? "8") },
      console.log,
    ),
  scale: () =>
    benchScale(
      {
        agents: Number(values.agents),
        seconds: Number(values.seconds),
        sizes: values.sizes.split(",").filter(Boolean).map(Number),
        concurrency: Number(values.concurrency ?? "32"),
        sandboxes: Number(values.sandboxes),
        connectors: Number(values.connectors),
        sampleRatio: Number(values.sample),
        syncAudit: !values["no-sync"],
      },
      console.log,
    ),
  session: () => benchSession({ rounds: rounds(5), calls: Number(values.warm) }, console.log),
};

const bench = benches[positionals[0] ?? ""];
if (bench === undefined || values.help) {
  console.log(usage);
  process.exitCode = values.help ? 0 : 2;
} else await bench();
