import { WorkspaceError } from "./workspace-error.ts";

const patienceMilliseconds = 30_000;
const endMark = 1_024;
/** Of one entry: its header, and the records that hold a long path and a long link. */
const headBytes = 16_384;

/**
 * Passes an archive on while it keeps to its size and its pace, and to the end mark: one that was cut off between two
 * entries would look whole otherwise.
 */
export async function* wholeArchive(
  archive: AsyncIterable<Uint8Array>,
  { bytes, entries }: { readonly bytes: number; readonly entries: number },
): AsyncGenerator<Uint8Array> {
  let left = bytes + (entries + 2) * headBytes;
  let tail = Buffer.alloc(0);
  const source = archive[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await inTime(source.next());
      if (done) break;
      left -= value.length;
      if (left < 0) throw new WorkspaceError("limit", "the archive is too large");
      tail = Buffer.concat([tail, value.subarray(-endMark)]).subarray(-endMark);
      yield value;
    }
    if (tail.length < endMark || tail.some((byte) => byte !== 0))
      throw new WorkspaceError("damaged", "the archive has no end mark: it was cut off");
  } finally {
    // A source that never answers would not answer this either.
    void Promise.resolve(source.return?.()).catch(() => {});
  }
}

async function inTime<T>(next: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new WorkspaceError("damaged", "the archive stalled")),
      patienceMilliseconds,
    );
  });
  try {
    return await Promise.race([next, late]);
  } finally {
    clearTimeout(timer);
  }
}
