export interface ToolServerLimits {
  /** MCP sessions at once; a further one is refused, none is pushed out. */
  readonly maxSessions: number;
  /** Calls at once in one sandbox, those that wait for its shell included. */
  readonly maxCallsPerSandbox: number;
  /** Of a request. */
  readonly maxBodyBytes: number;
}

export const usualLimits: ToolServerLimits = {
  maxSessions: 1_000,
  maxCallsPerSandbox: 16,
  maxBodyBytes: 4_194_304,
};
