import { CredentialName, InstanceName } from "@sallyport/contracts";
import {
  appConfig,
  BootError,
  duration,
  filePath,
  loadConfig,
  secretFile,
  secureUrl,
} from "@sallyport/runtime";
import { edgesSetting, natsSettings } from "@sallyport/zone";
import { z } from "zod";
import { type LeaseRule, LeaseRules, problemsOfRules } from "./lease-rules.ts";

/** A path of Vault's API: no `..`, query or escape that would lead somewhere else than it reads. */
const VaultPath = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9_.-]*(\/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$/, "a path like apps/crm");
const Field = z.string().min(1).max(128);

const AppRole = z
  .strictObject({
    method: z.literal("approle"),
    mount: VaultPath.default("approle"),
    roleId: secretFile(),
    /** The secret_id itself. A broker that starts again uses it again. */
    secretId: secretFile().optional(),
    /** A wrapping token for it, good for one start: hand over a fresh one before each. */
    secretIdWrapped: secretFile().optional(),
  })
  .refine((auth) => (auth.secretId === undefined) !== (auth.secretIdWrapped === undefined), {
    message: "set one of secretId and secretIdWrapped",
  });

const Credential = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("kv"),
    mount: VaultPath.default("secret"),
    path: VaultPath,
    field: Field,
    usernameField: Field.optional(),
    /** How long a value is used before it is read again. */
    refresh: duration({ min: "30s", max: "24h" }).default(300_000),
  }),
  z.strictObject({
    kind: z.literal("database"),
    mount: VaultPath.default("database"),
    role: VaultPath,
  }),
]);
export type CredentialSpec = z.output<typeof Credential>;

export const brokerConfig = appConfig({
  tenant: InstanceName,
  nats: natsSettings,
  vault: z.strictObject({
    address: secureUrl("secrets"),
    caFile: filePath().optional(),
    namespace: VaultPath.optional(),
    auth: AppRole,
  }),
  /** A grant of any other edge is worth nothing here. */
  edges: edgesSetting,
  /** A folder with one file per enrolled connector, written by `sallyport connector enroll`. */
  enrolments: filePath(),
  credentials: z
    .record(CredentialName, Credential)
    .refine((credentials) => Object.keys(credentials).length > 0, "at least one credential"),
  /** The lease rules, a YAML file of their own. */
  rules: filePath(),
  limits: z
    .strictObject({
      leasesPerSession: z.int().min(1).max(1_000).default(16),
      leasesPerConnector: z.int().min(1).max(100_000).default(2_000),
    })
    .prefault({}),
});
export type BrokerConfig = z.output<typeof brokerConfig>;

/** Rules and credentials have to fit each other, both ways; a typo in either stops the boot. */
export function loadRules(config: Pick<BrokerConfig, "rules" | "credentials">): readonly LeaseRule[] {
  const { rules } = loadConfig(LeaseRules, { file: config.rules, env: {} });
  const problems = problemsOfRules(rules, Object.keys(config.credentials));
  if (problems.length === 0) return rules;
  const fix = `make ${config.rules} and \`credentials\` name the same credentials`;
  throw new BootError(problems.join("\n"), { setting: "rules", fix });
}
