/** What a walk over a plan or a state sees of one resource, wherever in the modules it is. */
export interface Resource {
  /** `module.network.aws_subnet.private["eu-west-1a"]` */
  readonly address: string;
  readonly type: string;
  /** The address of the module that has it, with its indices; empty for the root. */
  readonly module: string;
  readonly values: Values;
  /** Arguments that are known only after the apply: `true`, or nested as the values are. Nothing in a state. */
  readonly unknown: Values;
  /** Argument → the resources, modules and variables that its expression names. Only a plan has them. */
  readonly refersTo: ReadonlyMap<string, readonly string[]>;
}

export type Values = Readonly<Record<string, unknown>>;

/** All resources that a plan or a state will have, and what their configuration says of them. */
export interface Walk {
  readonly resources: readonly Resource[];
  /** A plan has a configuration, and ids that are not known yet; a state has ids. */
  readonly planned: boolean;
  /** What modules hand to others, up or down, as configuration addresses. */
  readonly handedOut: ReadonlySet<string>;
}

interface Tree {
  readonly address?: string;
  readonly resources?: readonly { address: string; type: string; mode: string; values?: Values }[];
  readonly child_modules?: readonly Tree[];
}

interface Configured {
  readonly resources?: readonly { address: string; expressions?: Values }[];
  readonly outputs?: Readonly<Record<string, { expression?: unknown }>>;
  readonly module_calls?: Readonly<Record<string, { module?: Configured; expressions?: Values }>>;
}

interface Change {
  readonly actions?: readonly string[];
  readonly before?: Values | null;
  readonly after?: Values | null;
  readonly after_unknown?: unknown;
}

/** The JSON of `terraform show -json`, of a plan or of a state. */
export interface Shown {
  readonly planned_values?: { readonly root_module?: Tree };
  readonly values?: { readonly root_module?: Tree };
  readonly resource_changes?: readonly { readonly address: string; readonly change: Change }[];
  readonly configuration?: { readonly root_module?: Configured };
}

/** Pure. Throws where it is neither a plan nor a state: what cannot be read must not pass. */
export function walk(shown: Shown): Walk {
  const tree = (shown.planned_values ?? shown.values)?.root_module;
  if (tree === undefined) throw new TypeError("this is no plan and no state of `terraform show -json`");
  const unknown = new Map(
    (shown.resource_changes ?? []).map(({ address, change }) => [address, record(change.after_unknown)]),
  );
  const refers = new Map<string, ReadonlyMap<string, readonly string[]>>();
  const handedOut = new Set<string>();
  readConfiguration(shown.configuration?.root_module ?? {}, "", { refers, handedOut });
  const resources = flat(tree).map(({ address, type, values, module }) => ({
    address,
    type,
    module,
    values: values ?? {},
    unknown: unknown.get(address) ?? {},
    refersTo: refers.get(configured(address)) ?? new Map(),
  }));
  return { resources, planned: shown.planned_values !== undefined, handedOut };
}

/** `module.a["x"].aws_b.c[0]` → `module.a.aws_b.c` */
export function configured(address: string): string {
  return address.replaceAll(/\["(?:[^"\\]|\\.)*"\]|\[\d+\]/g, "");
}

/** Whether an argument has a value, known or not yet. */
export function isSet({ values, unknown }: Pick<Resource, "values" | "unknown">, argument: string): boolean {
  const value = values[argument];
  return unknown[argument] === true || (value !== undefined && value !== null && value !== "");
}

/** The blocks of that name in a resource: `root_block_device`, `ingress`. */
export function blocks(values: Values, name: string): Values[] {
  const found = values[name];
  return Array.isArray(found) ? found.map(record) : [];
}

export function record(value: unknown): Values {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Values) : {};
}

function flat(tree: Tree): { address: string; type: string; module: string; values?: Values }[] {
  const own = (tree.resources ?? [])
    .filter(({ mode }) => mode === "managed")
    .map((one) => ({ ...one, module: tree.address ?? "" }));
  return [...own, ...(tree.child_modules ?? []).flatMap(flat)];
}

interface Found {
  readonly refers: Map<string, ReadonlyMap<string, readonly string[]>>;
  readonly handedOut: Set<string>;
}

function readConfiguration(module: Configured, prefix: string, found: Found): void {
  for (const { address, expressions } of module.resources ?? []) {
    const named = Object.entries(expressions ?? {}).map(
      ([argument, expression]) => [argument, references(expression, prefix)] as const,
    );
    found.refers.set(`${prefix}${address}`, new Map(named));
  }
  for (const { expression } of Object.values(module.outputs ?? {}))
    for (const name of references(expression, prefix)) found.handedOut.add(name);
  for (const [name, call] of Object.entries(module.module_calls ?? {})) {
    for (const handed of references(call.expressions, prefix)) found.handedOut.add(handed);
    readConfiguration(call.module ?? {}, `${prefix}module.${name}.`, found);
  }
}

function references(expression: unknown, prefix: string): string[] {
  if (Array.isArray(expression)) return expression.flatMap((one) => references(one, prefix));
  return Object.entries(record(expression)).flatMap(([key, value]) => {
    if (key !== "references" || !Array.isArray(value)) return references(value, prefix);
    return value.map((name) => `${prefix}${configured(String(name))}`);
  });
}
