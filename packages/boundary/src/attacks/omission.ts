import { type Attack, judge, tried } from "../attack.ts";
import type { Inside } from "../inside.ts";
import type { World } from "../world.ts";

/** All that a sandbox can see of its own bounds, in one text. Mount points without their sources, which differ. */
const fingerprint = String.raw`my $s = slurp("/proc/self/status"); my @caps = map { $s =~ /^$_:\s*(\w+)/m ? "$_=$1" : () } qw(CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters);
my @mounts = sort map { my ($at, $options) = (split)[4, 5]; my ($size) = /size=(\w+)/; "$at $options " . ($size // "") } split /\n/, slurp("/proc/self/mountinfo");
my @net = slurp("/proc/net/dev") =~ /^\s*(\S+):/mg; my @limits = split /\n/, slurp("/proc/self/limits"); print join "\n", @caps, @mounts, "@net", "@limits", join(" ", sort keys %ENV), join(" ", names("/dev")), join(" ", names("/"))`;

export const omission: readonly Attack[] = [
  {
    number: 38,
    name: "weaker by omission",
    tries:
      "a second sandbox, one after a failed start, one after reap, one beside others; a door without a policy",
    source: "OpenSandbox 1315: a pool dropped the network policy in silence",
    expected: "the same effective policy; no policy permits nothing",
    async run(world) {
      const first = await seenBy(world);
      const again = await seenBy(world);
      await world.start({ agent: { file: "/nowhere/agent" } }).then(
        (broken) => broken.destroy(),
        () => {},
      );
      const afterFailure = await seenBy(world);
      await world.driver.reap();
      const afterReap = await seenBy(world);
      const beside = await Promise.all([seenBy(world), seenBy(world), seenBy(world)]);
      const same = [again, afterFailure, afterReap, ...beside].map((each) =>
        each === first ? "the same" : differs(first, each),
      );
      return judge([
        tried(
          "what is compared",
          first.includes("Seccomp=2") && first.includes("/workspace") ? "complete" : first,
          "complete",
        ),
        ...same.map((saw, index) => tried(`sandbox ${index + 2}`, saw, "the same")),
        tried("a door without a policy", await withoutPolicy(world), /^(?:not opened|403)$/),
        tried("a door whose policy speaks of another", await withOther(world), "403"),
      ]);
    },
  },
];

async function seenBy(world: World): Promise<string> {
  const inside = await world.start();
  try {
    return await inside.perl(fingerprint);
  } finally {
    await inside.destroy();
  }
}

function differs(a: string, b: string): string {
  const before = new Set(a.split("\n"));
  return b.split("\n").find((line) => !before.has(line)) ?? "lines are missing";
}

async function ask(world: World, policy: string): Promise<string> {
  const { port } = world.neighbours.echo;
  const place = `echo.test:${port}`;
  const door = await world.doors.open({ policy, addresses: new Map([[place, "127.0.0.1"]]) });
  const inside: Inside = await world.start({ egress: { socket: door.socket } });
  const answer = await inside.perl(
    `print door("GET http://$ARGV[0]/ HTTP/1.1\\r\\nHost: $ARGV[0]\\r\\nConnection: close\\r\\n\\r\\n")`,
    place,
  );
  await inside.destroy();
  return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "closed";
}

/** No policy is refused when it is loaded. Whatever opens all the same must deny. */
async function withoutPolicy(world: World): Promise<string> {
  return await ask(world, "").catch((error: Error) =>
    error.name === "PolicyError" ? "not opened" : error.message,
  );
}

const withOther = (world: World): Promise<string> =>
  ask(world, `@id("tools") permit(principal, action == Action::"tools/call", resource == Tool::"a/b");`);
