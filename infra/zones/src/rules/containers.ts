import { record, type Values } from "../resources.ts";
import { forEach, type Rule } from "./rule.ts";

/** The one that writes a zone's files starts as root, gives them away, and ends before the program starts. */
const writesFiles = "files";

/** What containers have by default, but for CHOWN, with which it gives them away. */
const defaults =
  `AUDIT_WRITE DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID
  SYS_CHROOT`.split(/\s+/);

/** Programs run as nobody in particular, write nothing but their own folder, and get no secret by the environment. */
export const containers: Rule = forEach(
  ["aws_ecs_task_definition", "aws_ecs_service"],
  (resource, _, reach) => {
    const { type, values } = resource;
    if (type === "aws_ecs_service")
      return [values.enable_execute_command === true && "can be entered by whoever may use ECS Exec"];
    if (typeof values.container_definitions !== "string") return ["has containers that are known only later"];
    const definitions = (JSON.parse(values.container_definitions) as unknown[]).map(record);
    const roads = [values.network_mode !== "awsvpc" && "shares a network with other tasks"];
    return [...roads, ...definitions.flatMap((one) => problems(one, reach)), ...order(definitions)];
  },
);

function problems(container: Values, reach: string): (string | false)[] {
  const name = String(container.name);
  const capabilities = record(record(container.linuxParameters).capabilities);
  const [dropped, added] = [texts(capabilities.drop), texts(capabilities.add)];
  const dropsAll =
    dropped.includes("ALL") || (name === writesFiles && defaults.every((one) => dropped.includes(one)));
  const user = String(container.user);
  const asRoot = /^(?:undefined|0|root)(?::|$)/.test(user);
  const environment = list(container.environment);
  return [
    container.readonlyRootFilesystem !== true && `${name} can write into its image`,
    container.privileged === true && `${name} is privileged`,
    asRoot && name !== writesFiles && `${name} runs as root`,
    !(dropsAll && added.length === 0) && `${name} keeps capabilities`,
    list(container.secrets).length > 0 && `${name} gets secrets in its environment`,
    environment.some((one) => /secret(?!s?manager)|token|passw|credential/i.test(String(one.name))) &&
      `${name} has an environment variable that is named as a secret`,
    environment.some((one) => /-----BEGIN|^S[A-Z2-7]{57}$/.test(String(one.value))) &&
      `${name} has a key in its environment`,
    !/@sha256:[0-9a-f]{64}$/.test(String(container.image)) && `${name} runs whatever a tag means today`,
    reach === "private" && list(container.portMappings).length > 0 && `${name} listens`,
    record(container.logConfiguration).logDriver !== "awslogs" && `${name} has no log`,
  ];
}

/** Whatever runs after the files were written waits for another, and for its success. */
function order(definitions: readonly Values[]): (string | false)[] {
  return definitions
    .filter(({ name }) => name !== writesFiles)
    .map(({ name, dependsOn }) => {
      const waits = list(dependsOn).some((one) => one.condition === "SUCCESS" && one.containerName !== name);
      return !waits && `${String(name)} does not wait for what writes its files`;
    });
}

function list(value: unknown): Values[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
