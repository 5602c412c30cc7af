import { isNamed } from "./headers.ts";

/** The head of a request, as it came: names and values in turn. */
export interface RequestHead {
  readonly method: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
}

const MOST_HEADERS = 100;
/** One of each: of two, a server may read the other one. */
const SINGLE = ["host", "content-length", "transfer-encoding", "authorization", "content-type", "upgrade"];

/**
 * What is wrong with a request's head beyond what Node's strict parser refuses by itself; undefined where nothing is.
 * Two readers that disagree where a body ends are request smuggling (RFC 9112, section 11.2). Pure.
 */
export function headProblem({ method, httpVersion, rawHeaders }: RequestHead): string | undefined {
  if (httpVersion !== "1.1" && httpVersion !== "1.0") return "speak HTTP/1.1";
  if (rawHeaders.length > 2 * MOST_HEADERS) return `a request has at most ${MOST_HEADERS} headers`;
  if (method === "TRACE") return "TRACE would show what the proxy added";
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? "").toLowerCase();
    // CGI and its like read Content_Length as Content-Length.
    const read = name.includes("_") ? name.replaceAll("_", "-") : name;
    if (read !== name && SINGLE.includes(read)) return `the header ${name} can be read as ${read}`;
    if (/[^\t\x20-\x7e\x80-\xff]/.test(rawHeaders[at + 1] ?? "")) return "a header holds a control character";
    if (seen.has(name) && SINGLE.includes(name)) return `the header ${name} comes twice`;
    seen.add(name);
  }
  if (!seen.has("host") && method !== "CONNECT") return "the Host header is missing";
  return framingProblem(rawHeaders, httpVersion);
}

function framingProblem(rawHeaders: readonly string[], httpVersion: string): string | undefined {
  const length = headerValue(rawHeaders, "content-length");
  const coding = headerValue(rawHeaders, "transfer-encoding");
  if (length !== undefined && coding !== undefined)
    return "the request has both Content-Length and Transfer-Encoding";
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return "Content-Length is no number";
  if (coding !== undefined && (coding !== "chunked" || httpVersion !== "1.1"))
    return "the only transfer coding is chunked";
  return undefined;
}

/** Of the one header of this name. */
export function headerValue(rawHeaders: readonly string[], name: string): string | undefined {
  for (let at = 0; at < rawHeaders.length; at += 2)
    if (isNamed(rawHeaders[at], name)) return rawHeaders[at + 1];
  return undefined;
}
