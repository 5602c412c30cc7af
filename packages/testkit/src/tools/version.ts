/** Which versions of a server are good enough. Pure; each answers the problem in words, or undefined. */

type Version = readonly [major: number, minor: number, patch: number];

/** The first `1.2.3` in what a program prints for `--version`. A pre-release suffix is not part of it. */
export function versionIn(output: string): string | undefined {
  return /\bv?(\d{1,6}\.\d{1,6}\.\d{1,6})\b/.exec(output)?.[1];
}

/**
 * nats-server releases before these let a client pass its account's permissions (authorisation bypasses
 * published in 2026), and the zones' separation rests on those permissions. 2.13 never had a fixed release.
 */
export function natsVersionProblem(version: string): string | undefined {
  const found = parse(version);
  if (!found) return `"${version}" is not a version`;
  const fixed = atLeast(found, [2, 14, 0]) || inLine(found, [2, 12, 7]) || inLine(found, [2, 11, 16]);
  return fixed
    ? undefined
    : `${version} has known authorisation bypasses; 2.14.0, 2.12.7 or 2.11.16 fixed them`;
}

/** Audit devices in the server's configuration file, which the launcher relies on, came with OpenBao 2.5. */
export function baoVersionProblem(version: string): string | undefined {
  const found = parse(version);
  if (!found) return `"${version}" is not a version`;
  return atLeast(found, [2, 5, 0]) ? undefined : `${version} is older than 2.5.0`;
}

/** `--overlay`, which keeps a sandbox's writes away from the files below it, came with bubblewrap 0.11. */
export function bwrapVersionProblem(version: string): string | undefined {
  const found = parse(version);
  if (!found) return `"${version}" is not a version`;
  return atLeast(found, [0, 11, 0]) ? undefined : `${version} is older than 0.11.0 and has no --overlay`;
}

function parse(version: string): Version | undefined {
  const match = /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})$/.exec(version);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

function atLeast(found: Version, floor: Version): boolean {
  const [major, minor, patch] = floor;
  if (found[0] !== major) return found[0] > major;
  if (found[1] !== minor) return found[1] > minor;
  return found[2] >= patch;
}

/** Same major and minor as the floor, and at least its patch. */
function inLine(found: Version, floor: Version): boolean {
  return found[0] === floor[0] && found[1] === floor[1] && found[2] >= floor[2];
}
