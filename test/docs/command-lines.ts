import { type Block, blocksOf } from "./pages.ts";

/** Up to where the shell takes over: a pipe, a redirection, the end of `$( )`, a comment. */
const invocation = /(?:^|[\s(])sallyport(?![\w.:/-])((?: +(?:"[^"]*"|'[^']*'|[^\s|<>();&#"']+))*)/g;
const word = /"([^"]*)"|'([^']*)'|(\S+)/g;

/** The arguments of each `sallyport …` in the shell blocks of a page. */
export function commandLinesIn(text: string): string[][] {
  return blocksOf(text).flatMap(invocationsIn);
}

function invocationsIn({ language, text }: Block): string[][] {
  if (language !== "sh") return [];
  const joined = text.replaceAll(/\\\n\s*/g, " ").replaceAll(/(^|\s)#[^\n]*/g, "");
  return joined
    .split("\n")
    .flatMap((line) =>
      [...line.matchAll(invocation)].map(([, args = ""]) =>
        [...args.matchAll(word)].map(([, double, single, bare]) => double ?? single ?? bare ?? ""),
      ),
    );
}
