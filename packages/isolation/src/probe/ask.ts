import type { Duplex } from "node:stream";

const answerBytes = 65_536;

/** Has the agent of the probe evaluate one piece of Perl. Rejects when it ends, says too much, or is late. */
export async function ask(socket: Duplex, code: string, milliseconds = 20_000): Promise<string> {
  if (socket.destroyed || socket.readableEnded) throw new Error("the sandbox ended");
  const text = Buffer.from(code);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return await new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const late = setTimeout(() => finish(new Error(`no answer in ${milliseconds} ms`)), milliseconds);
    const ended = (): void => finish(new Error("the sandbox ended"));
    const heard = (chunk: Buffer): void => {
      got = Buffer.concat([got, chunk]);
      const end = got.length < 4 ? Number.POSITIVE_INFINITY : 4 + got.readUInt32BE(0);
      if (got.length >= 4 && end > answerBytes) finish(new Error("an answer too long"));
      else if (got.length >= end) finish(got.toString("utf8", 4, end));
    };
    const finish = (result: string | Error): void => {
      clearTimeout(late);
      socket.off("data", heard).off("close", ended);
      if (typeof result === "string") resolve(result);
      else reject(result);
    };
    socket.on("data", heard).once("close", ended);
    socket.write(Buffer.concat([length, text]));
  });
}
