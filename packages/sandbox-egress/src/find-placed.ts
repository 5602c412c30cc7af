import type { PlacedRequest } from "@sallyport/egress";
import {
  covers,
  type IssuedToken,
  type Location,
  type Placeholder,
  type Placeholders,
} from "./placeholders.ts";
import type { Target } from "./request-target.ts";

export interface Placed {
  readonly credential: string;
  readonly location: Location;
  /** Where it was handed out by a token endpoint: who holds its value. */
  readonly issued?: IssuedToken | undefined;
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
  /** The body, where it is a form that may hold one. */
  readonly form?: string | undefined;
}

type Rest = Pick<Fillable, "path" | "form"> & { readonly headers: readonly string[] };

/** A request, as far as a credential can stand in it. */
export interface Fillable extends PlacedRequest {
  readonly form?: string | undefined;
}

/**
 * Which placeholders stand where they are bound. One that stands anywhere else too, in any spelling, refuses the request:
 * it is on its way to somebody who should not even have that. Pure.
 */
export function findPlaced(placeholders: Placeholders, sent: Sent): Search {
  const placed: Placed[] = [];
  const { target, rawHeaders, form } = sent;
  let rest: Rest = { path: target.path + target.query, headers: rawHeaders, form };
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
        ...("material" in placeholder ? { issued: placeholder } : {}),
      });
    }
  const leftover = [sent.method, rest.path, rest.form ?? "", ...rest.headers];
  for (const { username } of placed) if (username !== undefined) leftover.push(username);
  const { finder } = placeholders;
  if (leftover.every((text) => finder.text(text) === text)) return { ok: true, placed };
  return { ok: false, reason: misplaced(placeholders, leftover) };
}

interface Taken {
  readonly rest: Rest;
  readonly username?: string | undefined;
}

function takeOut(from: Rest, location: Location, { value }: Placeholder): Taken | undefined {
  switch (location.in) {
    case "header": {
      const expected = `${location.prefix ?? ""}${value}`;
      return withoutHeader(from, (name, text) => text === expected && same(name, location.name));
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
      const kept = withoutPair(query, location.name, value);
      if (kept === undefined) return undefined;
      return { rest: { ...from, path: kept === "" ? path : `${path}?${kept}` } };
    }
    case "form": {
      const form = withoutPair(from.form, location.name, value);
      return form === undefined ? undefined : { rest: { ...from, form } };
    }
  }
}

function withoutHeader(from: Rest, isIt: (name: string, value: string) => boolean): Taken | undefined {
  const { headers } = from;
  const kept: string[] = [];
  for (let at = 0; at + 1 < headers.length; at += 2) {
    const [name = "", value = ""] = [headers[at], headers[at + 1]];
    if (!isIt(name, value)) kept.push(name, value);
  }
  return kept.length === headers.length ? undefined : { rest: { ...from, headers: kept } };
}

/** What is left of `a=1&b=2`; undefined where the pair is not in it. */
function withoutPair(text: string | undefined, name: string, value: string): string | undefined {
  const all = text?.split("&") ?? [];
  const kept = all.filter((pair) => pair !== `${encodeURIComponent(name)}=${value}`);
  return kept.length === all.length ? undefined : kept.join("&");
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
  if (bindings.length === 0) return `the placeholder of ${credential} may go nowhere`;
  const places = bindings.map(({ scheme, host, port, pathPrefix, methods, location }) => {
    const where = location.in === "basic" ? "the password of Basic" : `${location.in} ${location.name}`;
    return `${methods?.join("/") ?? "any method"} ${scheme}://${host}:${port}${pathPrefix} in ${where}`;
  });
  return `the placeholder of ${credential} may go only to ${places.join(", or ")}`;
}
