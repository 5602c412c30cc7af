/**
 * Dials everything at once and prints what became of it: `node dial.ts '[["10.0.0.1", 80], …]'` → `["connected", "refused",
 * "no answer", …]`. What does not answer within the time was dropped on its way: a router that lets it through has an answer
 * within a millisecond.
 */
import { connect } from "node:net";

const patienceMs = 1_500;

function dial([host, port]: [string, number]): Promise<"connected" | "refused" | "no answer"> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (what: "connected" | "refused" | "no answer") => {
      socket.destroy();
      resolve(what);
    };
    socket.setTimeout(patienceMs, () => answer("no answer"));
    socket.on("connect", () => answer("connected"));
    socket.on("error", () => answer("refused"));
  });
}

const targets = JSON.parse(process.argv[2] ?? "") as [string, number][];
console.log(JSON.stringify(await Promise.all(targets.map(dial))));
