import { describe, expect, it } from "vitest";
import type { SandboxSpec } from "../driver.ts";
import { bubblewrapArgs } from "./args.ts";

const spec: SandboxSpec = {
  agent: { file: "/agent" },
  workspace: { bytes: 1_000 },
  temporaryBytes: 2_000,
  limits: {},
};
const places = { etc: "/state/etc", covered: ["/proc/keys"], workspace: "/state/disk", waits: false };
const args = bubblewrapArgs(spec, places);
const said = ` ${args.join(" ")} `;

/**
 * Fences behind another one: what they stop is stopped already, by the system call filter or by bubblewrap itself, so no
 * attack from inside misses them.
 */
describe("bubblewrap is told", () => {
  it.each([
    ["to have a user namespace for certain", "--unshare-user"],
    ["to have every namespace", "--unshare-all"],
    ["to allow no further user namespace, besides the filter of calls", "--disable-userns"],
    ["to keep no capability, though it keeps none for this caller", "--cap-drop ALL"],
    ["to have no terminal of the caller, besides the filter of ioctls", "--new-session"],
    ["to end with the runner", "--die-with-parent"],
    ["to cover /proc/sys itself after /proc", "--proc /proc --ro-bind /proc/sys /proc/sys"],
    ["to cover the keys of the runner's user", "--ro-bind /dev/null /proc/keys"],
    ["how large /tmp may become", "--size 2000 --perms 1777 --tmpfs /tmp "],
    ["how large /dev/shm may become", "--size 2000 --perms 1777 --tmpfs /dev/shm "],
    ["to let nobody write to the root", "--remount-ro / "],
    ["which calls to refuse", "--seccomp 5"],
    ["to tell of its first process", "--info-fd 6"],
  ])("%s", (_, flags) => {
    expect(said).toContain(` ${flags.trim()} `);
  });

  it("to make the root read-only after everything that it mounts", () => {
    const last = Math.max(
      ...["--bind", "--ro-bind", "--tmpfs", "--symlink"].map((each) => args.lastIndexOf(each)),
    );
    expect(args.lastIndexOf("--remount-ro")).toBeGreaterThan(last);
    expect(args[args.lastIndexOf("--remount-ro") + 1]).toBe("/");
  });
});

it("bubblewrap is told to wait where a limit is set on its first process, and nowhere else", () => {
  expect(args).not.toContain("--block-fd");
  expect(bubblewrapArgs(spec, { ...places, waits: true }).join(" ")).toContain("--block-fd 7");
});

it("sizes a workspace of its own where nothing is mounted, and refuses what that cannot hold", () => {
  const alone = { ...places, workspace: undefined };
  expect(bubblewrapArgs(spec, alone).join(" ")).toContain("--size 1000 --perms 0755 --tmpfs /workspace");
  for (const workspace of [
    { bytes: 1, base: "/base" },
    { bytes: 1, inodes: 5 },
  ])
    expect(() => bubblewrapArgs({ ...spec, workspace }, alone)).toThrow(
      expect.objectContaining({ code: "refused", field: "workspace" }),
    );
});
