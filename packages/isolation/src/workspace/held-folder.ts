import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, open, opendir, readlink } from "node:fs/promises";
import { WorkspaceError } from "./workspace-error.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

/**
 * A folder held open. What is in it is reached by one name through its descriptor (openat(2), spelled
 * /proc/self/fd/N/name), and no link is followed: whatever a sandbox renames or plants meanwhile, the next step starts
 * from a folder that was seen to be one.
 */
export class HeldFolder {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** `path` is the runner's own word: its links are followed up to the last name. */
  static async open(path: string | Buffer): Promise<HeldFolder> {
    return new HeldFolder(await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  }

  /** The path of a name in it, for calls that do not follow a link in the last name. */
  at(name: Buffer): Buffer {
    return Buffer.concat([Buffer.from(`/proc/self/fd/${this.#handle.fd}/`), name]);
  }

  folder(name: Buffer): Promise<HeldFolder> {
    return HeldFolder.open(this.at(name));
  }

  /** A regular file, by what the open one is: a FIFO put there meanwhile does not block, and is refused. */
  async file(name: Buffer): Promise<FileHandle> {
    const handle = await open(this.at(name), O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw new WorkspaceError("changed", "it is no file any more", { path: name.toString() });
  }

  async look(name: Buffer): Promise<BigIntStats | undefined> {
    return await lstat(this.at(name), { bigint: true }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT") return undefined;
      throw cause;
    });
  }

  link(name: Buffer): Promise<Buffer> {
    return readlink(this.at(name), { encoding: "buffer" });
  }

  /** Its names in order, or undefined when there are more than `most`. */
  async names(most: number): Promise<readonly Buffer[] | undefined> {
    const found: Buffer[] = [];
    const options = { encoding: "buffer" as BufferEncoding, bufferSize: 256 };
    for await (const entry of await opendir(this.at(Buffer.from(".")), options)) {
      if (found.length >= most) return undefined;
      found.push(entry.name as unknown as Buffer);
    }
    return found.sort(Buffer.compare);
  }

  get handle(): FileHandle {
    return this.#handle;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
