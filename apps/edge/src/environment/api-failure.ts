/** Anthropic's types of errors, by status. */
const types = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  409: "invalid_request_error",
  412: "invalid_request_error",
  413: "request_too_large",
  421: "invalid_request_error",
  429: "rate_limit_error",
  500: "api_error",
  503: "overloaded_error",
} as const;

export type ApiStatus = keyof typeof types;

/** A refusal in the work API's shape. The message is for whoever runs the worker; no token is in it. */
export class ApiFailure extends Error {
  override readonly name = "ApiFailure";
  readonly status: ApiStatus;
  readonly details: object | undefined;

  constructor(status: ApiStatus, message: string, details?: object) {
    super(message);
    this.status = status;
    this.details = details;
  }

  body(requestId: string): object {
    const details = this.details === undefined ? {} : { details: this.details };
    const error = { type: types[this.status], message: this.message, ...details };
    return { type: "error", error, request_id: requestId };
  }
}
