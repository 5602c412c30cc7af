import { blocks, type Resource, type Values, type Walk } from "../resources.ts";

/**
 * Whether a security group has rules of that direction that no resource of its own says. A state names in a group what
 * its rules have made; what is left there was written inline, or by somebody's hand.
 */
export function isInline(
  { values, refersTo }: Resource,
  { resources, planned }: Walk,
  direction: "ingress" | "egress",
): boolean {
  const inline = blocks(values, direction);
  if (planned) return inline.length > 0 || refersTo.has(direction);
  const rules = resources.filter(
    (one) =>
      one.type === `aws_vpc_security_group_${direction}_rule` && one.values.security_group_id === values.id,
  );
  return inline.some((one) => {
    const same = rules.filter(({ values: rule }) => isSame(one, rule));
    const said = same.flatMap(({ values: rule }) => [rule.cidr_ipv4, rule.cidr_ipv6]);
    return same.length === 0 || addresses(one).some((address) => !said.includes(address));
  });
}

function isSame(inline: Values, rule: Values): boolean {
  const pairs = [
    [inline.protocol, rule.ip_protocol],
    [inline.from_port, rule.from_port],
    [inline.to_port, rule.to_port],
  ];
  return pairs.every(([one, other]) => one === other);
}

/** AWS puts what differs in its addresses alone into one. */
function addresses(inline: Values): unknown[] {
  return [inline.cidr_blocks, inline.ipv6_cidr_blocks].flatMap((one) => (Array.isArray(one) ? one : []));
}
