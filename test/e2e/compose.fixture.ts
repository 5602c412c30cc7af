import { parse } from "yaml";

/** What a file of Compose says, as arguments of Docker's client: `docker network create …`, `docker create …`. */
export interface Composed {
  readonly networks: ReadonlyMap<string, readonly string[]>;
  readonly services: ReadonlyMap<string, Service>;
}

export interface Service {
  readonly image: string;
  /** For `docker create`, before the image. */
  readonly options: readonly string[];
  readonly command: readonly string[];
  readonly networks: ReadonlyMap<string, { readonly address: string | undefined }>;
  readonly dependsOn: readonly string[];
}

type Fields = Record<string, unknown>;

/**
 * Reads it as Compose would, for the keys that are used. A key that is not known here throws, so that what is tested
 * is all that the file says. Pure.
 */
export function readCompose(text: string, variables: Readonly<Record<string, string>>): Composed {
  const file = parse(interpolated(text, variables), { merge: true }) as Fields;
  const { name, services, networks, volumes, ...rest } = file;
  refuseOthers("the file", rest, (key) => key.startsWith("x-"));
  for (const [volume, settings] of Object.entries(volumes as Fields))
    refuseOthers(volume, settings as Fields);
  return {
    networks: mapped(networks as Fields, (network, key) =>
      networkOptions(`${name}_${key}`, network as Fields),
    ),
    services: mapped(services as Fields, (service, key) => serviceOf(String(name), key, service as Fields)),
  };
}

function mapped<T>(of: Fields, make: (value: unknown, key: string) => T): Map<string, T> {
  return new Map(Object.entries(of).map(([key, value]) => [key, make(value, key)]));
}

/** `${NAME}`, `${NAME:-default}`, `${NAME:?what is missing}`. */
function interpolated(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, sign?: string, rest = "") => {
    const value = variables[name] ?? (sign === "-" ? (rest as string) : undefined);
    if (value === undefined) throw new Error(`${name} is not set: ${rest as string}`);
    return value;
  });
}

function networkOptions(name: string, { internal, driver_opts, ipam, ...rest }: Fields): string[] {
  refuseOthers(name, rest);
  const subnets = ((ipam as { config?: { subnet: string }[] })?.config ?? []).map(({ subnet }) => subnet);
  return [
    ...(internal === true ? ["--internal"] : []),
    ...Object.entries((driver_opts ?? {}) as Fields).flatMap(([key, value]) => ["--opt", `${key}=${value}`]),
    ...subnets.flatMap((subnet) => ["--subnet", subnet]),
    name,
  ];
}

const list = (value: unknown): string[] => ((value as unknown[] | undefined) ?? []).map(String);
const each = (option: string) => (value: unknown) => list(value).flatMap((one) => [option, one]);
const one = (option: string) => (value: unknown) => [`${option}=${String(value)}`];

/** Compose's key → the client's options. */
const keys: Readonly<Record<string, (value: unknown, project: string) => string[]>> = {
  read_only: (value) => (value === true ? ["--read-only"] : []),
  cap_drop: each("--cap-drop"),
  security_opt: each("--security-opt"),
  user: one("--user"),
  restart: one("--restart"),
  stop_grace_period: (value) => [`--stop-timeout=${/^(\d+)s$/.exec(String(value))?.[1]}`],
  pids_limit: one("--pids-limit"),
  mem_limit: one("--memory"),
  cpus: one("--cpus"),
  profiles: () => [], // whoever starts a service by name has said so
  tmpfs: each("--tmpfs"),
  ports: each("--publish"),
  volumes: (value, project) =>
    list(value).flatMap((text) => ["--volume", text.startsWith("/") ? text : `${project}_${text}`]),
  logging: (value) => {
    const { driver, options } = value as { driver: string; options: Fields };
    return [
      `--log-driver=${driver}`,
      ...Object.entries(options).flatMap(([key, text]) => ["--log-opt", `${key}=${text}`]),
    ];
  },
};

function serviceOf(project: string, name: string, service: Fields): Service {
  const { image, command, networks, depends_on, ...settings } = service;
  refuseOthers(name, settings, (key) => Object.hasOwn(keys, key));
  return {
    image: String(image),
    options: Object.entries(settings).flatMap(([key, value]) => keys[key]?.(value, project) ?? []),
    command: list(command),
    networks: mapped(networks as Fields, (network) => {
      const { ipv4_address, ...rest } = network as Fields;
      refuseOthers(`a network of ${name}`, rest);
      return { address: ipv4_address as string | undefined };
    }),
    dependsOn: list(depends_on),
  };
}

function refuseOthers(where: string, fields: Fields, known: (key: string) => boolean = () => false): void {
  const others = Object.keys(fields).filter((key) => !known(key));
  if (others.length > 0) throw new Error(`${where} has ${others.join(", ")}, which this test does not know`);
}
