import type { Rule } from "./rule.ts";

const everywhere = `
  aws_cloudwatch_log_group aws_default_network_acl aws_default_route_table aws_default_security_group
  aws_ec2_transit_gateway_vpc_attachment aws_ecs_cluster aws_ecs_service aws_ecs_task_definition aws_flow_log
  aws_iam_instance_profile aws_iam_role aws_iam_role_policy aws_kms_alias aws_kms_key aws_launch_template
  aws_autoscaling_group aws_route aws_route_table aws_route_table_association aws_s3_bucket
  aws_s3_bucket_object_lock_configuration aws_s3_bucket_ownership_controls aws_s3_bucket_policy
  aws_s3_bucket_public_access_block aws_s3_bucket_server_side_encryption_configuration aws_s3_bucket_versioning
  aws_s3_object aws_security_group aws_subnet aws_vpc aws_vpc_endpoint aws_vpc_security_group_egress_rule
  aws_vpc_security_group_ingress_rule`;

/** What faces others, in the one module that makes it. */
const frontDoor = `
  aws_eip aws_internet_gateway aws_lb aws_lb_listener aws_lb_target_group aws_nat_gateway aws_network_acl aws_route
  aws_route_table aws_route_table_association aws_security_group aws_subnet aws_vpc_security_group_egress_rule
  aws_vpc_security_group_ingress_rule`;

const relayItself = `
  aws_ebs_volume aws_instance aws_lb_target_group_attachment aws_volume_attachment
  aws_vpc_endpoint_service`;

const list = (text: string) => new Set(text.split(/\s+/).filter(Boolean));
const [inAny, inFrontDoor, inRelay] = [list(everywhere), list(frontDoor), list(relayItself)];

/**
 * AWS has more ways to let somebody in, or something out, than any list of bad ones: a kind of resource that no rule
 * was written for is a finding by itself.
 */
export const knownTypes: Rule = ({ resources }, reach) =>
  resources
    .filter(({ type, module }) => {
      if (inAny.has(type)) return false;
      if (reach === "private") return true;
      return !(module === "module.front_door" ? inFrontDoor : inRelay).has(type);
    })
    .map(({ address, type }) => ({
      address,
      problem: `${type} is no kind of resource that a ${reach} zone has here`,
    }));
