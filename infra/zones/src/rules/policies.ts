import { isSet, type Resource, record, type Values } from "../resources.ts";
import { type Finding, forEach, type Rule } from "./rule.ts";

/** Actions for which AWS knows no resource. */
const withoutResource = new Set(["ecr:GetAuthorizationToken"]);

const policyArguments: Readonly<Record<string, string>> = {
  aws_iam_role_policy: "policy",
  aws_iam_policy: "policy",
  aws_iam_role: "assume_role_policy",
  aws_kms_key: "policy",
  aws_s3_bucket_policy: "policy",
  aws_vpc_endpoint: "policy",
};

/** Each policy says exactly who may do what with which; one that nobody can read yet says nothing. */
export const policies: Rule = ({ resources }) =>
  resources.flatMap((resource) => {
    const argument = policyArguments[resource.type];
    if (argument === undefined) return [];
    const found = [...extras(resource), ...readable(resource, argument)];
    return found.map((problem): Finding => ({ address: resource.address, problem }));
  });

/** Rights that come from elsewhere than the policy that is read. */
function extras({ values }: Resource): string[] {
  return ["managed_policy_arns", "inline_policy"]
    .filter((argument) => Array.isArray(values[argument]) && values[argument].length > 0)
    .map((argument) => `has rights by ${argument}; they are written in an aws_iam_role_policy`);
}

function readable(resource: Resource, argument: string): string[] {
  const text = resource.values[argument];
  if (resource.type === "aws_vpc_endpoint" && isRelays(resource)) return []; // AWS takes none for such a service
  if (typeof text !== "string") {
    return [
      isSet(resource, argument) ? "has a policy that is known only later" : "has no policy: AWS's allows all",
    ];
  }
  const policy = record(JSON.parse(text) as unknown);
  const statements = [policy.Statement].flat().map(record);
  return statements.flatMap((statement) => problems(resource.type, statement));
}

function isRelays({ values }: Resource): boolean {
  return /^com\.amazonaws\.vpce\./.test(String(values.service_name));
}

function problems(type: string, statement: Values): string[] {
  const named = ["NotAction", "NotResource", "NotPrincipal"].filter((key) => key in statement);
  if (named.length > 0) return [`says what is not meant (${named.join(", ")})`];
  if (statement.Effect === "Deny") return [];
  const [actions, resources] = [texts(statement.Action), texts(statement.Resource)];
  const ofAccount = type === "aws_kms_key" && isAccount(statement.Principal);
  const anyAction = actions.filter((action) => action.includes("*") && !ofAccount);
  // In a key's own policy "*" is the key; an endpoint's for the registry has what that action needs.
  const mayBeAny = type === "aws_kms_key" || actions.every((action) => withoutResource.has(action));
  const forRegistry = type === "aws_vpc_endpoint" && actions.some((action) => withoutResource.has(action));
  return [
    ...anyAction.map((action) => `allows every action of ${action}`),
    ...(resources.includes("*") && !mayBeAny && !forRegistry
      ? [`allows ${actions.join(", ")} on everything`]
      : []),
    ...secretProblems(actions, resources, type),
    ...principalProblems(type, statement),
  ];
}

/** A secret and a key are named whole: what begins alike is another zone's. */
function secretProblems(actions: readonly string[], resources: readonly string[], type: string): string[] {
  const opens = actions.some((action) => /^(?:secretsmanager|kms):/.test(action)) && type !== "aws_kms_key";
  return opens && resources.some((one) => one.includes("*")) ? ["opens secrets or keys by a pattern"] : [];
}

function principalProblems(type: string, { Principal, Condition, Resource: resource }: Values): string[] {
  if (Principal === undefined) return [];
  if (type === "aws_vpc_endpoint") {
    const layers = /^arn:aws:s3:::prod-[a-z0-9-]+-starport-layer-bucket\/\*$/.test(String(resource));
    const own = record(record(Condition).StringEquals)["aws:PrincipalAccount"] !== undefined;
    return own || layers ? [] : ["carries the calls of other accounts"];
  }
  if (texts(Principal).includes("*") || texts(record(Principal).AWS).includes("*"))
    return ["is for everybody"];
  const service = texts(record(Principal).Service);
  const confused = service.some((name) => name !== "ec2.amazonaws.com") && !isBound(Condition);
  return confused ? [`lets ${service.join(", ")} act for another account`] : [];
}

function isBound(condition: unknown): boolean {
  const keys = Object.values(record(condition)).flatMap((one) => Object.keys(record(one)));
  return keys.some((key) => /^aws:Source(?:Account|Arn)$|^kms:EncryptionContext:/.test(key));
}

function isAccount(principal: unknown): boolean {
  return /^arn:aws:iam::\d{12}:root$/.test(String(record(principal).AWS));
}

function texts(value: unknown): string[] {
  return [value].flat().filter((one): one is string => typeof one === "string");
}

/** Rights that are attached by name are AWS's or another's, and change without anyone here. */
export const noAttachedRights: Rule = forEach(
  ["aws_iam_role_policy_attachment", "aws_iam_policy_attachment", "aws_iam_user", "aws_iam_access_key"],
  ({ type }) => [`${type} gives rights that this root does not write out`],
);
