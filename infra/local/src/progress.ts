import pc from "picocolors";

/** Steps of a start, each with the time it took: one line when it is done, and on a terminal one while it runs. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  #step: { name: string; since: number; timer: NodeJS.Timeout | undefined } | undefined;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  step(name: string): void {
    this.done();
    const since = performance.now();
    const show = () => this.#out.write(`\r\u001b[K${pc.cyan("…")} ${name} ${pc.dim(seconds(since))}`);
    const timer = this.#out.isTTY ? setInterval(show, 100) : undefined;
    if (timer) show();
    this.#step = { name, since, timer };
  }

  /** A line of its own about the step that runs, such as a download. */
  note(text: string): void {
    this.#out.write(`${this.#out.isTTY ? "\r\u001b[K" : ""}  ${pc.dim(text)}\n`);
  }

  done(): void {
    this.#end(pc.green("✓"));
  }

  failed(): void {
    this.#end(pc.red("✗"));
  }

  #end(mark: string): void {
    if (this.#step === undefined) return;
    const { name, since, timer } = this.#step;
    clearInterval(timer);
    this.#step = undefined;
    this.#out.write(`${this.#out.isTTY ? "\r\u001b[K" : ""}${mark} ${name} ${pc.dim(seconds(since))}\n`);
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}
