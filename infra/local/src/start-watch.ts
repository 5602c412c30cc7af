import { readFile } from "node:fs/promises";
import { printable } from "@sallyport/contracts";
import type { Exit } from "@sallyport/testkit";

const lastLines = 10;
const lineCharacters = 400;
/** Of a fault's stack: it would push out what the fault says. */
const stackFrame = /^\s+at /;

export interface Death {
  name: string;
  exit: Exit;
  logFile: string;
}

/** A zone ended by itself while the stack was starting. The message says which, how, what it logged last, and where. */
export class ZoneDied extends Error {
  override readonly name = "ZoneDied";

  constructor({ name, exit, logFile }: Death, log: string) {
    const how = exit.signal ?? `code ${exit.code ?? "unknown"}`;
    const lines = log
      .trimEnd()
      .split("\n")
      .filter((line) => !stackFrame.test(line))
      .slice(-lastLines);
    const said =
      log.trim() === ""
        ? "It logged nothing."
        : `It logged last:\n${lines.map((line) => `  ${printable(line, lineCharacters)}`).join("\n")}`;
    super(`${name} ended (${how}) while the stack was starting; its log is ${logFile}\n${said}`);
  }
}

/** Sees zones end while others are still waited for: what waits for a dead one would wait for its whole patience. */
export class StartWatch {
  readonly #seen = Promise.withResolvers<void>();
  #death: Death | undefined;

  /** Whether nothing is worth waiting for any more. */
  get givenUp(): boolean {
    return this.#death !== undefined;
  }

  died(death: Death): void {
    this.#death ??= death;
    this.#seen.resolve();
  }

  /** A step of the start. Throws ZoneDied when a zone ends meanwhile, once what the step had begun can be stopped. */
  async during<T>(step: () => Promise<T>): Promise<T> {
    const running = step();
    await Promise.race([running.catch(() => undefined), this.#seen.promise]);
    if (this.#death === undefined) return await running;
    await running.catch(() => undefined);
    const { logFile } = this.#death;
    throw new ZoneDied(this.#death, await readFile(logFile, "utf8").catch(() => ""));
  }
}
