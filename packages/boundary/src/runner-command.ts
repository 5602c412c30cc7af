import { canaryKey } from "./attacks/kernel-surface.ts";

/** A descriptor that Node itself leaves alone. */
const canaryDescriptor = 50;

export interface RunnerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Pure: how to start a program as a runner that has a canary in its environment, in an open descriptor and in its session
 * keyring. (Where a kernel or a container has no keyrings, it has none there, and the program starts all the same.)
 *
 * @param canaryFile a file with the secret, to be held open
 */
export function runnerCommand(
  argv: readonly string[],
  { secret, canaryFile }: { secret: string; canaryFile: string },
): RunnerCommand {
  return {
    command: "perl",
    args: ["-e", launcher, canaryFile, ...argv],
    env: { PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", CANARY: secret },
  };
}

const [addKey, keyctl] = process.arch === "arm64" ? [217, 219] : [248, 250];
const launcher = `use POSIX (); $^F = 255; my $file = shift; open(my $f, "<", $file) or die "$file: $!"; POSIX::dup2(fileno($f), ${canaryDescriptor}); close $f;
my ($type, $name, $secret) = ("user", "${canaryKey}", $ENV{CANARY}); syscall(${keyctl}, 1, 0); syscall(${addKey}, $type, $name, $secret, length $secret, -3); exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!";`;
