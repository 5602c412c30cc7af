import { blocks, isSet, type Values } from "../resources.ts";
import { isInline } from "./inline.ts";
import { forEach, type Rule } from "./rule.ts";

/** Out goes what is listed, by address and port: a taken zone finds no way to carry anything elsewhere. */
export const wayOut: Rule = forEach(
  [
    "aws_vpc_security_group_egress_rule",
    "aws_security_group_rule",
    "aws_security_group",
    "aws_default_security_group",
  ],
  (resource, walk) => {
    const { type, values } = resource;
    if (type === "aws_security_group_rule")
      return [
        values.type === "egress" &&
          "lets something out; rules are written as aws_vpc_security_group_egress_rule",
      ];
    if (type !== "aws_vpc_security_group_egress_rule")
      return [isInline(resource, walk, "egress") && "lets something out, inline"];
    return [
      !isOneTcpPort(values) && "lets out more than one TCP port",
      isSet(resource, "cidr_ipv6") && "lets out to IPv6 addresses",
      typeof values.cidr_ipv4 === "string" &&
        Number(values.cidr_ipv4.split("/")[1]) < 8 &&
        `lets out to ${values.cidr_ipv4}`,
    ];
  },
);

function isOneTcpPort(values: Values): boolean {
  return (
    values.ip_protocol === "tcp" &&
    typeof values.from_port === "number" &&
    values.from_port === values.to_port
  );
}

/** What each rule lets out to: `10.8.1.10/32:8443`, or a group or list of AWS's, `endpoints:443`. In order. */
export function waysOut(resources: readonly { type: string; values: Values }[]): string[] {
  return resources
    .filter(({ type }) => type === "aws_vpc_security_group_egress_rule")
    .map(({ values }) => {
      const name = blocks({ tags: [values.tags] }, "tags")[0]?.Name;
      return `${String(values.cidr_ipv4 ?? name)}:${String(values.from_port)}`;
    })
    .sort();
}
