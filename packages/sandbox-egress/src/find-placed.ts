import type { PlacedRequest, RequestPlacement } from "@sallyport/egress";
import { pairs } from "./headers.ts";
import type { Binding, Placeholder, Placeholders } from "./placeholders.ts";
import type { Target } from "./request-target.ts";

export interface Placed {
  readonly credential: string;
  readonly location: RequestPlacement;
  /** What the client sent as user of Basic. */
  readonly username?: string | undefined;
}

export type Search =
  | { readonly ok: true; readonly placed: readonly Placed[] }
  | { readonly ok: false; readonly reason: string };

interface Sent {
  readonly method: string;
  readonly target: Target;
  readonly rawHeaders: readonly string[];
}

/**
 * Which placeholders stand where they are bound. One that stands anywhere else too, in any spelling, refuses the request:
 * it is on its way to somebody who should not even have that. Pure.
 */
export function findPlaced(placeholders: Placeholders, sent: Sent): Search {
  const placed: Placed[] = [];
  let rest: PlacedRequest = { path: sent.target.path + sent.target.query, headers: [...sent.rawHeaders] };
  for (const placeholder of placeholders.all)
    for (const binding of placeholder.bindings) {
      if (!covers(binding, sent)) continue;
      const found = takeOut(rest, binding.location, placeholder);
      if (found === undefined) continue;
      rest = found.rest;
      placed.push({
        credential: placeholder.credential,
        location: binding.location,
        username: found.username,
      });
    }
  const leftover = [sent.method, rest.path, ...rest.headers, ...placed.map(({ username }) => username ?? "")];
  if (leftover.every((text) => placeholders.finder.text(text) === text)) return { ok: true, placed };
  return { ok: false, reason: misplaced(placeholders, leftover) };
}

function covers({ scheme, host, port, methods, pathPrefix }: Binding, { method, target }: Sent): boolean {
  const { authority, path } = target;
  const below = pathPrefix.endsWith("/") ? pathPrefix : `${pathPrefix}/`;
  return (
    scheme === target.scheme &&
    host === authority.host &&
    port === authority.port &&
    (methods?.includes(method) ?? true) &&
    (path === pathPrefix || path.startsWith(below))
  );
}

interface Taken {
  readonly rest: PlacedRequest;
  readonly username?: string | undefined;
}

function takeOut(from: PlacedRequest, location: RequestPlacement, { value }: Placeholder): Taken | undefined {
  switch (location.in) {
    case "header": {
      const expected = `${location.prefix ?? ""}${value}`;
      return withoutHeader(from, (name, text) => same(name, location.name) && text === expected);
    }
    case "basic": {
      let username: string | undefined;
      const taken = withoutHeader(from, (name, text) => {
        const decoded = same(name, "authorization") ? basicOf(text) : undefined;
        if (decoded?.password !== value) return false;
        username = decoded.username;
        return true;
      });
      return taken && { ...taken, username };
    }
    case "query": {
      const [path = "", query] = splitOnce(from.path, "?");
      const all = query?.split("&") ?? [];
      const kept = all.filter((pair) => pair !== `${encodeURIComponent(location.name)}=${value}`);
      if (kept.length === all.length) return undefined;
      const text = kept.length === 0 ? path : `${path}?${kept.join("&")}`;
      return { rest: { path: text, headers: from.headers } };
    }
  }
}

function withoutHeader(
  { path, headers }: PlacedRequest,
  isIt: (name: string, value: string) => boolean,
): Taken | undefined {
  const kept = [...pairs(headers)].filter(([name, value]) => !isIt(name, value)).flat();
  return kept.length === headers.length ? undefined : { rest: { path, headers: kept } };
}

/** RFC 7617. */
function basicOf(value: string): { username: string; password: string } | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(value) ?? [];
  if (encoded === undefined) return undefined;
  const [username = "", password] = splitOnce(Buffer.from(encoded, "base64").toString("latin1"), ":");
  return password === undefined ? undefined : { username, password };
}

function splitOnce(text: string, mark: string): [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

function misplaced({ all, finder }: Placeholders, texts: readonly string[]): string {
  const marked = texts.map((text) => finder.text(text)).join("\n");
  const found = all.find(({ credential }) => marked.includes(`[redacted:${credential}]`));
  if (found === undefined) return "a placeholder is not where it is bound";
  return misplacedReason(found);
}

/** Says where it may go, so that an agent can mend its request. */
function misplacedReason({ credential, bindings }: Placeholder): string {
  const places = bindings.map(({ scheme, host, port, pathPrefix, methods, location }) => {
    const where = location.in === "basic" ? "the password of Basic" : `${location.in} ${location.name}`;
    return `${methods?.join("/") ?? "any method"} ${scheme}://${host}:${port}${pathPrefix} in ${where}`;
  });
  return `the placeholder of ${credential} may go only to ${places.join(", or ")}`;
}
