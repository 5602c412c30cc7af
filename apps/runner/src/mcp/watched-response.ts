export interface Watch {
  /** The reader left before the end. */
  readonly left?: () => void;
  /** It was read to its end, or its reader left. */
  readonly over?: () => void;
}

/** The same response, whose reader is watched. */
export function watchedResponse(response: Response, { left, over }: Watch): Response {
  if (response.body === null) {
    over?.();
    return response;
  }
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await reader.read();
      if (!done) return controller.enqueue(value);
      over?.();
      controller.close();
    },
    cancel: async (reason) => {
      left?.();
      over?.();
      await reader.cancel(reason);
    },
  });
  const { status, headers } = response;
  return new Response(body, { status, headers });
}
