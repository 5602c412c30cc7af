import { IsolationError } from "@sallyport/isolation";
import { type Try, tried } from "../attack.ts";
import type { Inside } from "../inside.ts";
import type { World } from "../world.ts";

const block = 512;

interface Entry {
  readonly name: string;
  /** POSIX: `0` file, `1` hard link, `2` link, `3` character device, `5` folder. */
  readonly type: string;
  readonly mode?: number;
  readonly to?: string;
}

/** One entry without content, as pax(1), "ustar Interchange Format", lays it out. */
function header({ name, type, mode = 0o644, to = "" }: Entry): Buffer {
  const head = Buffer.alloc(block);
  head.write(name, 0, 100, "latin1");
  head.write(`${mode.toString(8).padStart(7, "0")}\0`, 100);
  head.write("0000000\0".repeat(2), 108);
  head.write(`${"0".repeat(11)}\0`.repeat(2), 124);
  head.write(" ".repeat(8), 148);
  head.write(type, 156);
  head.write(to, 157, 100, "latin1");
  head.write("ustar\x0000", 257);
  head.write("0000001\0".repeat(2), 329);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return head;
}

const outward: Readonly<Record<string, readonly Entry[]>> = {
  "a path that climbs": [{ name: "../../outside", type: "0" }],
  "an absolute path": [{ name: "/tmp/sallyport-outside", type: "0" }],
  "an absolute link": [{ name: "link", type: "2", to: "/etc/passwd" }],
  "a link that climbs": [{ name: "link", type: "2", to: "../../../etc/passwd" }],
  "a file through a link": [
    { name: "out", type: "2", to: "/tmp" },
    { name: "out/sallyport-outside", type: "0" },
  ],
  "a hard link to the host": [{ name: "hard", type: "1", to: "/etc/passwd" }],
  "a device": [{ name: "mem", type: "3" }],
  "a setuid file": [{ name: "root", type: "0", mode: 0o4755 }],
};

/** Whether an archive that leads outside is taken as a workspace; a class that takes none at all refuses it too. */
export async function hostileImports(world: World): Promise<readonly Try[]> {
  const tries: Try[] = [];
  // That an ordinary one is taken, where any is, shows that the others are refused for what they are.
  const ordinary = { "an ordinary file": [{ name: "file", type: "0" }] };
  for (const [what, entries] of Object.entries({ ...ordinary, ...outward })) {
    async function* archive(): AsyncGenerator<Uint8Array> {
      yield Buffer.concat([...entries.map(header), Buffer.alloc(2 * block)]);
    }
    const saw = await world.driver.create(world.spec, archive()).then(
      async (sandbox) => {
        await sandbox.destroy();
        return "taken";
      },
      (error: unknown) => {
        if (error instanceof IsolationError && error.code === "refused") return "refused";
        throw error;
      },
    );
    const taken = what in ordinary && world.capabilities.class.workspace === "mounted";
    tries.push(tried(`import ${what}`, saw, taken ? "taken" : "refused"));
  }
  return tries;
}

/** What the runner takes out of a workspace full of links: never what they lead to. */
export async function hostileExport(
  world: World,
  { sandbox }: Inside,
  { racing }: { racing: boolean },
): Promise<readonly Try[]> {
  if (sandbox.workspace === undefined) return [];
  const chunks: Uint8Array[] = [];
  const archive = sandbox.workspace.export({ bytes: 1_048_576, entries: 1_000, leaveOut: () => {} });
  const ended = await taken(archive, chunks);
  const whole = Buffer.concat(chunks);
  const saw = whole.includes(world.canary.secret) ? "the canary" : whole.length > block ? ended : "nothing";
  // A file that is swapped meanwhile may end it.
  return [tried("export", saw, racing ? /^(?:its own|refused|nothing)$/ : "its own")];
}

async function taken(archive: AsyncIterable<Uint8Array>, into: Uint8Array[]): Promise<string> {
  try {
    for await (const chunk of archive) into.push(chunk);
    return "its own";
  } catch {
    return "refused";
  }
}
