import type { TypeAndId } from "@cedar-policy/cedar-wasm/nodejs";

/**
 * What a policy may speak of. The handshake, the lists and liveness are one group, `Action::"connect"`: without them no
 * client gets far enough to call anything, and none of them returns private data beyond names and descriptions.
 */
const connect = [
  "initialize",
  "notifications/initialized",
  "notifications/cancelled",
  "notifications/progress",
  "notifications/roots/list_changed",
  "ping",
  "server/discover",
  "subscriptions/listen",
  "logging/setLevel",
  "tools/list",
  "prompts/list",
  "resources/list",
  "resources/templates/list",
];

export const actionGroups: ReadonlyMap<string, readonly string[]> = new Map([["connect", connect]]);

/** The type of what an action is about; the server itself where the action names nothing of its own. */
const resourceTypes = new Map([
  ["tools/call", "Tool"],
  /** A tool's call that runs in a sandbox: to let an agent call tools is not to let it run commands. */
  ["sandbox/exec", "Tool"],
  ["prompts/get", "Prompt"],
  ["resources/read", "Resource"],
  ["resources/subscribe", "Resource"],
  ["resources/unsubscribe", "Resource"],
]);

const serverActions = [
  "completion/complete",
  "tasks/list",
  "tasks/get",
  "tasks/result",
  "tasks/update",
  "tasks/cancel",
];

/** `Tool::"orders/list_orders"`. A server's name holds no slash, so the first one ends it. */
export function resourceOf(server: string, action: string, target: string): TypeAndId {
  const type = resourceTypes.get(action);
  return type === undefined ? { type: "Server", id: server } : { type, id: `${server}/${target}` };
}

export function isServerName(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}

/** The server that an entity belongs to; undefined when its id does not name one and so could never match. */
export function serverOfEntity(entity: TypeAndId): string | undefined {
  const slash = entity.id.indexOf("/");
  if (slash < 0 !== (entity.type === "Server")) return undefined;
  const server = slash < 0 ? entity.id : entity.id.slice(0, slash);
  return isServerName(server) ? server : undefined;
}

export const targetTypes: readonly string[] = ["Tool", "Prompt", "Resource"];

const context = '{ target: String, user?: String, arguments: {}, "argument condition": Bool }';

/**
 * For validation at load alone. `argument condition` stands for any condition on arguments: their shape is the tool's own
 * and unknown here, so what such a condition evaluates to is not the schema's to judge.
 */
export const schema = [
  "entity Agent, Server;",
  `entity ${targetTypes.join(", ")} in [Server];`,
  ...[...actionGroups.keys()].map((group) => `action "${group}";`),
  ...[...actionGroups].flatMap(([group, members]) =>
    members.map((action) => actionType(action, "Server", group)),
  ),
  ...[...resourceTypes].map(([action, type]) => actionType(action, type)),
  ...serverActions.map((action) => actionType(action, "Server")),
].join("\n");

function actionType(action: string, resource: string, group?: string): string {
  const parent = group === undefined ? "" : ` in ["${group}"]`;
  return `action "${action}"${parent} appliesTo { principal: [Agent], resource: [${resource}], context: ${context} };`;
}
