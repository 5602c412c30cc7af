/** The oldest nats-server of each release line without the authorisation bypasses of 2026 (CVE-2026-33249, -33246). */
const oldestSafe: Record<string, number> = { "2.11": 16, "2.12": 7 };

/** Why a nats-server of this version is refused, or undefined when it is fine. */
export function serverVersionProblem(version: string | undefined): string | undefined {
  const match = /^(\d+)\.(\d+)\.(\d+)(-[\w.]+)?/.exec(version ?? "");
  if (!match) return `the server does not say which version it is (${JSON.stringify(version ?? "")})`;
  const [major, minor, patch] = match.slice(1, 4).map(Number) as [number, number, number];
  const safe =
    major > 2 || (major === 2 && minor >= 14) || patch >= (oldestSafe[`${major}.${minor}`] ?? Infinity);
  if (safe && match[4] === undefined) return undefined;
  return `nats-server ${version} is refused: it lets a user read what its permissions deny. Run 2.14.0 or newer (or 2.12.7, or 2.11.16)`;
}
