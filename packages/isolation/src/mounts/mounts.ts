import { IsolationError } from "../isolation-error.ts";
import { type Mounter, MounterGone, startMounter } from "./mounter.ts";
import { mounterProgram } from "./program.ts";

export interface Mount {
  readonly type: "tmpfs" | "overlay";
  /** Of the file system; each mount is nosuid and nodev too. */
  readonly options: readonly string[];
  /** A new folder of the driver's own, on which nothing is mounted. */
  readonly place: string;
}

/** What a driver mounts, by one process that lives as long as the driver. */
export interface Mounts {
  /** Throws IsolationError("start"), and then nothing is mounted there. */
  mount(mount: Mount): Promise<void>;
  /** In this order. What is not mounted, or not there, is as good as unmounted. */
  unmount(places: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface MountsOptions {
  readonly perl?: string;
  readonly program?: string;
  /** For one call. Default: ten seconds. */
  readonly milliseconds?: number;
}

/** mount(2) takes one page of options, and cuts off what is more of them without a word. */
const optionBytes = 4_095;

/** The process is started by the first call. When it ended since, the next call starts another, once. */
export function openMounts({
  perl = "/usr/bin/perl",
  program = mounterProgram,
  milliseconds = 10_000,
}: MountsOptions = {}): Mounts {
  let mounter: Mounter | undefined;
  let closed = false;
  const living = (): Mounter => {
    if (closed) throw new MounterGone("the driver was closed");
    if (mounter === undefined || mounter.gone) mounter = startMounter({ perl, program, milliseconds });
    return mounter;
  };
  const unmountAll = async (places: readonly string[]): Promise<void> => {
    const all = places.map((place) => living().ask(["unmount", place]));
    for (const [at, said] of (await Promise.all(all)).entries())
      if (!["ok", "EINVAL", "ENOENT"].includes(said))
        throw new IsolationError("start", `unmount ${places[at]}: ${said}`);
  };
  return {
    async mount({ type, options, place }) {
      const all = options.join(",");
      if (Buffer.byteLength(all) > optionBytes)
        throw new IsolationError("start", `mount ${type}: its options are longer than a page`);
      const said = await twice(
        () => living().ask(["mount", place, type, all]),
        // It may have come that far: two of them would not be gone by one unmount.
        () => unmountAll([place]),
      );
      if (said !== "ok") throw new IsolationError("start", `mount ${type}: ${said}`);
    },
    unmount: (places) => twice(() => unmountAll(places)),
    async close() {
      closed = true;
      await mounter?.close();
    },
  };
}

/** What was asked of a process that is gone is asked of the next one, once. */
async function twice<T>(ask: () => Promise<T>, before?: () => Promise<void>): Promise<T> {
  try {
    return await ask().catch(async (cause: unknown) => {
      if (!(cause instanceof MounterGone)) throw cause;
      await before?.();
      return await ask();
    });
  } catch (cause) {
    if (!(cause instanceof MounterGone)) throw cause;
    throw new IsolationError("start", `the process that mounts is gone: ${cause.message}`, { cause });
  }
}
