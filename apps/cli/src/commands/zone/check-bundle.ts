import { Bundle, type BundleProblem, maxBundleBytes, problemsOfBundle } from "@sallyport/installation";
import { CommandFailure } from "../../command-failure.ts";
import { readJsonFile } from "./read-json-file.ts";

export function readBundle(file: string): Bundle {
  return readJsonFile(file, { schema: Bundle, what: "a zone's bundle", maxBytes: maxBundleBytes });
}

/** Of what is known here and what was named, both count. */
export function checkBundle(
  bundle: Bundle,
  operator: { known: string | undefined; named: string | undefined },
): BundleProblem[] {
  const { known, named } = operator;
  if (known !== undefined && named !== undefined && known !== named) {
    const what = `this zone takes bundles of ${known}, and --operator names ${named}`;
    return [{ what, fix: "leave --operator out; to change to another operator, begin with a new folder" }];
  }
  return problemsOfBundle(bundle, { operator: known ?? named, now: new Date() });
}

/** Throws the first, with all others beside it. */
export function refuse(file: string, problems: readonly BundleProblem[]): void {
  const [first] = problems;
  if (first === undefined) return;
  const what = problems.map((one) => one.what).join("\n");
  throw new CommandFailure("refused", `${file} was not accepted:\n${what}`, { fix: first.fix });
}
