/** Does something again and again, until it is closed. What it throws ends the process: it must not fail in silence. */
export function every(ms: number, work: () => void): { close(): void } {
  const timer = setInterval(work, ms);
  return { close: () => clearInterval(timer) };
}
