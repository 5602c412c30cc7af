import { describe, expect, it } from "vitest";
import { check, type ZoneName } from "./check.ts";
import type { Shown, Values } from "./resources.ts";

/** A state with one resource in it. */
function found(
  zone: ZoneName,
  type: string,
  { module = "", values = {} }: { module?: string; values?: Values },
) {
  const resource = {
    address: `${module === "" ? "" : `${module}.`}${type}.one`,
    type,
    mode: "managed",
    values,
  };
  const inModule = { child_modules: [{ address: module, resources: [resource] }] };
  const shown = { values: { root_module: module === "" ? { resources: [resource] } : inModule } };
  return check(shown, zone).map(({ rule }) => rule);
}

const fromAnywhere = { ip_protocol: "tcp", from_port: 443, to_port: 443, cidr_ipv4: "0.0.0.0/0" };

describe("a zone that faces others", () => {
  it.each([
    ["aws_internet_gateway", {}],
    ["aws_eip", {}],
    ["aws_lb", { internal: false }],
  ])("has %s at its front door alone", (type, values) => {
    expect(found("edge", type, { module: "module.front_door", values })).toEqual([]);
    expect(found("edge", type, { values })).toContain("publicAddress");
    expect(found("edge", type, { module: "module.network", values })).toContain("publicAddress");
  });

  it("lets addresses in at its front door alone", () => {
    const type = "aws_vpc_security_group_ingress_rule";
    expect(found("edge", type, { module: "module.front_door", values: fromAnywhere })).toEqual([]);
    expect(found("edge", type, { module: "module.network", values: fromAnywhere })).toContain("wayIn");
    expect(found("connector", type, { module: "module.front_door", values: fromAnywhere })).toContain(
      "wayIn",
    );
  });

  it("gives out no public address, at its front door neither", () => {
    const values = { map_public_ip_on_launch: true };
    expect(found("edge", "aws_subnet", { module: "module.front_door", values })).toContain("publicAddress");
  });

  it("has no kind of resource that no rule was written for", () => {
    expect(found("edge", "aws_lambda_function_url", { module: "module.front_door" })).toContain("knownTypes");
    expect(found("relay", "aws_globalaccelerator_accelerator", {})).toContain("knownTypes");
  });
});

describe("a private zone", () => {
  it.each(["connector", "runner", "broker", "collector"] as const)("%s has no front door", (zone) => {
    for (const type of ["aws_internet_gateway", "aws_eip", "aws_lb", "aws_nat_gateway"])
      expect(found(zone, type, { module: "module.front_door" })).toContain("knownTypes");
  });
});

describe("in a state", () => {
  const group = { type: "aws_security_group", mode: "managed", address: "aws_security_group.one" };
  const rule = {
    type: "aws_vpc_security_group_ingress_rule",
    mode: "managed",
    address: "aws_vpc_security_group_ingress_rule.one",
    values: {
      ...fromAnywhere,
      cidr_ipv4: null,
      security_group_id: "sg-1",
      referenced_security_group_id: "sg-2",
    },
  };
  const endpoint = {
    type: "aws_vpc_endpoint",
    mode: "managed",
    address: "aws_vpc_endpoint.one",
    values: { service_name: "com.amazonaws.vpce.eu-west-1.vpce-svc-0", security_group_ids: ["sg-1"] },
  };
  const task = {
    type: "aws_ecs_service",
    mode: "managed",
    address: "aws_ecs_service.one",
    values: { network_configuration: [{ security_groups: ["sg-1"] }] },
  };
  const inline = (cidr_blocks: string[]) => ({
    ...group,
    values: { id: "sg-1", ingress: [{ protocol: "tcp", from_port: 443, to_port: 443, cidr_blocks }] },
  });
  const findings = (resources: object[]) =>
    check({ values: { root_module: { resources } } } as Shown, "connector").map((one) => one.address);

  it("an endpoint's door is one, and no longer when something else has its group", () => {
    expect(findings([rule, endpoint])).toEqual([]);
    expect(findings([rule, endpoint, task])).toEqual([rule.address]);
    expect(findings([rule])).toEqual([rule.address]);
  });

  it("a machine has no public address", () => {
    const machine = (public_ip: string) => {
      const disk = { encrypted: true, kms_key_id: "key" };
      const values = { public_ip, root_block_device: [disk], launch_template: [{}] };
      const resource = { type: "aws_instance", mode: "managed", address: "aws_instance.one", values };
      return check({ values: { root_module: { resources: [resource] } } }, "relay").map(({ rule }) => rule);
    };
    expect(machine("")).toEqual([]);
    expect(machine("192.0.2.1")).toEqual(["publicAddress"]);
  });

  it("what a group has beside its rules is somebody's hand", () => {
    expect(findings([inline([]), rule, endpoint])).toEqual([]);
    expect(findings([inline(["0.0.0.0/0"]), rule, endpoint])).toEqual([group.address]);
    expect(findings([inline([]), endpoint])).toEqual([group.address]);
  });
});
