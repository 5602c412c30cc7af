import { blocks, isSet } from "../resources.ts";
import { forEach, type Rule } from "./rule.ts";

/** No address of the internet on anything that runs; a way to the internet at a front door alone. */
export const publicAddress: Rule = forEach(
  [
    ...["aws_subnet", "aws_instance", "aws_launch_template", "aws_ecs_service", "aws_network_interface"],
    ...[
      "aws_internet_gateway",
      "aws_egress_only_internet_gateway",
      "aws_eip",
      "aws_nat_gateway",
      "aws_lb",
      "aws_route",
    ],
    ...["aws_route_table", "aws_default_route_table"],
  ],
  (resource, { planned }, reach) => {
    const { type, module, values } = resource;
    const atFront = reach === "public" && module === "module.front_door";
    const interfaces = [...blocks(values, "network_interfaces"), ...blocks(values, "network_configuration")];
    const flags = [values, ...interfaces].flatMap((one) => [
      one.map_public_ip_on_launch,
      // Of a machine that is there, the address itself counts.
      planned || type !== "aws_instance" ? one.associate_public_ip_address : one.public_ip !== "",
      one.assign_public_ip,
    ]);
    const gateway = /gateway|eip|^aws_lb$/.test(type) && !(type === "aws_lb" && values.internal === true);
    const routes = type === "aws_route" ? [values] : blocks(values, "route");
    return [
      flags.some((flag) => flag === true || flag === "true") && "gives out public addresses",
      gateway && !atFront && "is a way to the internet elsewhere than at a front door",
      !atFront &&
        routes.some((one) =>
          ["0.0.0.0/0", "::/0"].includes(String(one.destination_cidr_block ?? one.cidr_block)),
        ) &&
        "leads everywhere",
      !atFront && type === "aws_route" && isSet(resource, "gateway_id") && "leads to an internet gateway",
      /./.test(String(values.ipv6_cidr_block ?? "")) && "has IPv6 addresses, which are public",
    ];
  },
);
