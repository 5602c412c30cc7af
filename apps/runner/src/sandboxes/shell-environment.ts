/** What a command inside finds in its environment, before what the pool adds. Nothing of the runner's own is among it. */
export const shellEnvironment: Readonly<Record<string, string>> = {
  HOME: "/tmp/home",
  USER: "agent",
  PATH: "/usr/local/bin:/usr/bin:/bin",
  LANG: "C.UTF-8",
  TERM: "dumb",
};
