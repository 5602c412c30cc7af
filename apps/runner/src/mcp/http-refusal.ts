/** A JSON-RPC error. Of no request in particular unless told. */
export function refusal(status: number, code: number, message: string, id: unknown = null): Response {
  return Response.json({ jsonrpc: "2.0", id, error: { code, message } }, { status });
}
