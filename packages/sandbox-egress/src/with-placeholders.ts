import type { Placeholder } from "./placeholders.ts";

/**
 * The text of a file, or of a variable, with placeholders in it: each `{{name}}` is the one of the credential of that name.
 * A placeholder is letters, digits, `_` and `-`, so that no format (INI, JSON, YAML, netrc, a shell's) needs it quoted.
 *
 * ```
 * withPlaceholders("//npm.example.com/:_authToken={{npm}}\n", placeholders)   // .npmrc
 * withPlaceholders("machine git.example.com login git password {{git}}\n", placeholders)   // .netrc
 * ```
 *
 * @throws RangeError for a name that no placeholder has: a file that is not what it was meant to be is not written
 */
export function withPlaceholders(template: string, placeholders: readonly Placeholder[]): string {
  return template.replace(/\{\{([^{}]*)\}\}/g, (_, written: string) => {
    const name = written.trim();
    const found = placeholders.find(({ credential }) => credential === name);
    if (found === undefined)
      throw new RangeError(`no placeholder is of a credential named ${JSON.stringify(name)}`);
    return found.value;
  });
}
