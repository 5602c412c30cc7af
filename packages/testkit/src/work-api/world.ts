import type { Asked } from "./checks.ts";
import type { Item, ItemTimes } from "./items.ts";
import type { Session } from "./session.ts";

/** All that the server knows. */
export interface World {
  readonly environment: string;
  readonly items: Item[];
  readonly sessions: Map<string, Session>;
  readonly times: ItemTimes;
  readonly withSecrets: boolean;
  readonly pageSize: number;
  /** What broke the contract, in words. */
  readonly violations: string[];
}

/** A request that may be answered, and by whose right. */
export interface Turn {
  readonly world: World;
  readonly asked: Asked;
  readonly credential: "environment" | "item";
  /** The item whose token it was. */
  readonly holder: Item | undefined;
  /** The caller does not wait any more. */
  gone(): boolean;
}

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

export const ok = (body: unknown): Reply => ({ status: 200, body });

export function problem(status: number, message: string, details?: object): Reply {
  const error = { type: types[status] ?? "api_error", message, ...(details ? { details } : {}) };
  return { status, body: { type: "error", error, request_id: "req_test" } };
}

const types: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  409: "invalid_request_error",
  412: "invalid_request_error",
};

/** A refusal that no worker should ever earn. */
export function violation({ world }: Turn, status: number, why: string): Reply {
  world.violations.push(why);
  return problem(status, why);
}
