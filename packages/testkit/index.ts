/**
 * Real servers for tests and for the local stack: found on the machine or fetched (pinned by hash),
 * started on 127.0.0.1 as ordinary processes, ready when they answer, gone when they are stopped, and
 * gone too when the process that started them is killed.
 */

export {
  type CertificateAuthority,
  type IssuedCertificate,
  makeCertificateAuthority,
} from "./src/certificate-authority.ts";
export { type ConnectProxy, type ConnectProxyOptions, startConnectProxy } from "./src/connect-proxy.ts";
export { type DockerEngine, startDockerEngine } from "./src/docker/docker-engine.ts";
export { type Issuer, type IssuerOptions, startIssuer } from "./src/issuer.ts";
export { leakCheck } from "./src/leak-check.ts";
export { type Moto, startMoto } from "./src/moto.ts";
export { type NatsOptions, type NatsServer, startNats } from "./src/nats.ts";
export { type OpenBao, type OpenBaoOptions, startOpenBao } from "./src/openbao.ts";
export { type Postgres, type PostgresOptions, startPostgres } from "./src/postgres.ts";
export { type AnotherUser, anotherUser } from "./src/process/another-user.ts";
export { freePort } from "./src/process/place.ts";
export { type Exit, type Server, type ServerSpec, startServer } from "./src/process/server.ts";
export { unmountBelow } from "./src/process/unmount-below.ts";
export { mayMakeUserNamespaces } from "./src/process/user-namespaces.ts";
export {
  type BuildOptions,
  buildProvider,
  type GoProvider,
  vaultProvider,
} from "./src/terraform/build-provider.ts";
export { NotToBeHad } from "./src/terraform/not-to-be-had.ts";
export {
  findTerraform,
  openTerraform,
  type Terraform,
  type TerraformOptions,
} from "./src/terraform/terraform.ts";
export { type FindToolOptions, findTool } from "./src/tools/find-tool.ts";
export { ToolError, type ToolName } from "./src/tools/tool.ts";
export { type UntilOptions, until } from "./src/until.ts";
export type { Item } from "./src/work-api/items.ts";
export type { Session } from "./src/work-api/session.ts";
export { startWorkApi, type WorkApi, type WorkApiOptions } from "./src/work-api/work-api.ts";
