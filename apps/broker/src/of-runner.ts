interface Asked<Who> {
  params: Who;
  signal: AbortSignal;
}

/** To the broker a runner is one more holder of leases: the same handlers serve it, on subjects of its own. */
export function ofRunner<I, O>(
  handler: (input: I, context: Asked<{ connector: string }>) => Promise<O>,
): (input: I, context: Asked<{ runner: string }>) => Promise<O> {
  return (input, { params: { runner }, signal }) => handler(input, { params: { connector: runner }, signal });
}
