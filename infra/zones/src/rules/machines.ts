import { blocks, isSet } from "../resources.ts";
import { forEach, type Rule } from "./rule.ts";

/** A machine's role is for the machine: nothing behind another hop gets it, and nobody logs in with a key. */
export const machines: Rule = forEach(["aws_instance", "aws_launch_template"], (resource) => {
  const { values } = resource;
  const metadata = blocks(values, "metadata_options")[0] ?? {};
  return [
    metadata.http_tokens !== "required" && "answers metadata without a token (IMDSv1)",
    metadata.http_put_response_hop_limit !== 1 && "answers metadata over more than one hop",
    isSet(resource, "key_name") && "can be logged in to by SSH",
  ];
});
