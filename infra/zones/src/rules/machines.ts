import { blocks, isSet } from "../resources.ts";
import { forEach, type Rule } from "./rule.ts";

/** A machine's role is for the machine: nothing behind another hop gets it, and nobody logs in with a key. */
export const machines: Rule = forEach(["aws_instance", "aws_launch_template"], (resource) => {
  const { type, values } = resource;
  // What a template says is looked at there.
  const byTemplate = type === "aws_instance" && blocks(values, "launch_template").length > 0;
  const metadata = blocks(values, "metadata_options")[0] ?? {};
  return [
    !byTemplate && metadata.http_tokens !== "required" && "answers metadata without a token (IMDSv1)",
    !byTemplate && metadata.http_put_response_hop_limit !== 1 && "answers metadata over more than one hop",
    (byTemplate ? /./.test(String(values.key_name ?? "")) : isSet(resource, "key_name")) &&
      "can be logged in to by SSH",
  ];
});
