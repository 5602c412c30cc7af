/**
 * Work that is done together at the end of this turn of the event loop. The NATS client writes to its socket after each
 * microtask run; what is published from one turn's end leaves in one write, and one system call costs as much as a seal.
 */
export class Turn {
  #jobs: (() => void)[] = [];

  atEnd(job: () => void): void {
    this.#jobs.push(job);
    if (this.#jobs.length === 1) setImmediate(() => this.#run());
  }

  #run(): void {
    const jobs = this.#jobs;
    this.#jobs = [];
    for (const job of jobs) job();
  }
}
