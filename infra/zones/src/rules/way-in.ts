import { blocks, configured, isSet, type Resource, type Values, type Walk } from "../resources.ts";
import { isInline } from "./inline.ts";
import { forEach, type Rule } from "./rule.ts";

/**
 * Nothing comes in, however it is written: as a rule of its own in either spelling, inline, in the default group. The
 * exceptions are doors: from one named security group, TCP, one port.
 */
export const wayIn: Rule = forEach(
  [
    "aws_vpc_security_group_ingress_rule",
    "aws_security_group_rule",
    "aws_security_group",
    "aws_default_security_group",
  ],
  (resource, walk, reach) => {
    const { type, values } = resource;
    if (type === "aws_security_group_rule")
      return [
        values.type !== "egress" &&
          "lets something in; rules are written as aws_vpc_security_group_ingress_rule",
      ];
    if (type !== "aws_vpc_security_group_ingress_rule")
      return [isInline(resource, walk, "ingress") && "lets something in, inline"];
    if (!isOnePort(values)) return ["lets in more than one TCP port"];
    const open = ["cidr_ipv4", "cidr_ipv6", "prefix_list_id"].filter((argument) => isSet(resource, argument));
    if (reach === "public") return publicDoor(resource, open);
    return [
      open.length > 0 && `lets addresses in (${open.join(", ")})`,
      !isEndpointsDoor(resource, walk) && "lets something in that is no endpoint's own door",
    ];
  },
);

function publicDoor({ module, values }: Resource, open: readonly string[]): (string | false)[] {
  const atFront = module === "module.front_door";
  return [
    open.length > 0 && !atFront && `lets addresses in (${open.join(", ")}) elsewhere than at the front door`,
    typeof values.cidr_ipv6 === "string" && "lets IPv6 addresses in; the zone has none",
  ];
}

/** Its group belongs to endpoints alone, and is handed to nobody who could give it to something else. */
function isEndpointsDoor({ values, refersTo }: Resource, { resources, planned, handedOut }: Walk): boolean {
  if (!planned) {
    const id = JSON.stringify(values.security_group_id);
    const holders = resources.filter(
      (one) => JSON.stringify(one.values).includes(id) && !isAboutGroups(one.type),
    );
    return holders.length > 0 && holders.every(({ type }) => type === "aws_vpc_endpoint");
  }
  const group = refersTo
    .get("security_group_id")
    ?.find((name) => /\.aws_security_group\.[a-z_]+$/.test(`.${name}`));
  if (group === undefined) return false;
  const users = resources.filter(({ refersTo: names }) =>
    [...names].some(
      ([argument, to]) => argument !== "security_group_id" && to.some((name) => isOrIn(name, group)),
    ),
  );
  const harmless = ["aws_vpc_endpoint", "aws_vpc_security_group_egress_rule"];
  return (
    users.every(({ type }) => harmless.includes(type)) && ![...handedOut].some((name) => isOrIn(name, group))
  );
}

function isAboutGroups(type: string): boolean {
  return /^aws_(?:vpc_security_group_(?:in|e)gress_rule|security_group)$/.test(type);
}

function isOrIn(name: string, group: string): boolean {
  return name === group || name.startsWith(`${group}.`);
}

/** A network ACL has no state: what answers comes in by its port. Anything else comes from the zone's own network. */
export const wayInByAcl: Rule = forEach(
  ["aws_network_acl", "aws_default_network_acl", "aws_network_acl_rule"],
  ({ type, module, values }, { resources }, reach) => {
    if (type === "aws_network_acl_rule")
      return [
        values.egress !== true && "lets something in by a rule of its own; rules are written in the ACL",
      ];
    if (reach === "public" && module === "module.front_door") return [];
    const own = resources.filter((one) => one.type === "aws_vpc").map((one) => one.values.cidr_block);
    return blocks(values, "ingress").map(
      (rule) =>
        rule.action === "allow" &&
        !own.includes(rule.cidr_block) &&
        !(isTcp(rule.protocol) && Number(rule.from_port) >= 1024 && typeof rule.cidr_block === "string") &&
        `lets in ${String(rule.cidr_block)} at ${String(rule.from_port)}–${String(rule.to_port)}`,
    );
  },
);

/** What is open must be closed by somebody: AWS's default group lets all its members in. */
export const defaultsClosed: Rule = ({ resources, planned }) =>
  resources
    .filter(({ type }) => type === "aws_vpc")
    .flatMap((vpc) =>
      ["aws_default_security_group", "aws_default_route_table", "aws_default_network_acl", "aws_flow_log"]
        .filter((type) => !resources.some((one) => one.type === type && belongsTo(one, vpc, planned)))
        .map((type) => ({ address: vpc.address, problem: `has no ${type} of its own` })),
    );

function belongsTo(one: Resource, vpc: Resource, planned: boolean): boolean {
  if (!planned) return one.values.vpc_id === vpc.values.id;
  if (one.module !== vpc.module) return false;
  const target = configured(vpc.address);
  return [...one.refersTo.values()].flat().some((name) => isOrIn(name, target));
}

function isOnePort(values: Values): boolean {
  return (
    isTcp(values.ip_protocol) && typeof values.from_port === "number" && values.from_port === values.to_port
  );
}

function isTcp(protocol: unknown): boolean {
  return protocol === "tcp" || protocol === "6";
}
