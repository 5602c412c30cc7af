/**
 * Pure: this process's group of a v1 controller, or of v2 for "", from the text of /proc/self/cgroup: a line is
 * `id:controllers:path` (cgroups(7)).
 */
export function ownPath(text: string, controller: string): string | undefined {
  for (const line of text.split("\n")) {
    const [, names, ...path] = line.split(":");
    if (names?.split(",").includes(controller)) return path.join(":");
  }
  return undefined;
}
